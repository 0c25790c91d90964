"""Mutated inputs for every reader of images, layouts and cohorts; `benchmarks/fuzz.py` runs them."""
