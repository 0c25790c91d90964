"""Image networks of the judges and of the recipient's classifier, one module each; see `judges/registry.py`."""
