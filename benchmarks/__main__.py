"""`python -m benchmarks`: every benchmark, one after the other; ends with 1 if a fuzzing case failed."""

import sys
from importlib import import_module

NAMES = ("startup", "house", "phantoms", "ingest", "sampling", "speed", "memory", "gate", "matching", "audit", "fuzz")

if __name__ == "__main__":
    sys.exit(max(import_module(f"benchmarks.{name}").main() or 0 for name in NAMES))
