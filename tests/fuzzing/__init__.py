"""Mutated inputs for every reader of `unpersonal.cohort`; `benchmarks/fuzz.py` runs them."""
