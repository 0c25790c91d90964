"""`python -m benchmarks`: every benchmark, one after the other."""

from importlib import import_module

NAMES = ("startup", "house", "phantoms", "ingest", "sampling", "speed", "memory", "gate", "audit")

if __name__ == "__main__":
    for name in NAMES:
        import_module(f"benchmarks.{name}").main()
