"""The layouts: one object `LAYOUT` in each module."""
