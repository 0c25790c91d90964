"""Small things that every room shares: errors, config base, seeds, hashing, files, tensors, progress, training loop."""
