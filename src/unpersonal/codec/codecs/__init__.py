"""Every codec: one module each, with an object `CODEC` (see `codec.base.CodecPart`)."""
