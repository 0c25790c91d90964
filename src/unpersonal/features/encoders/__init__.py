"""Encoders of images: one module each, with an object `ENCODER` (see `features.base.EncoderPart`)."""
