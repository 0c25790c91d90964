"""Generative metrics: one object `METRIC` in every module."""
