"""Matchers, one module each; see `matching/base.py`."""
