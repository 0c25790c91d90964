"""Forms in which a release is handed on: one object `FORM` in one module each; see `release/exporting.py`."""
