"""Spaces of generative metrics: one module each, with an object `EXTRACTOR` (see `utility.extractor.Extractor`)."""
