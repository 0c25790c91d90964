"""Pixels to latents and back, and the store that keeps both as memory-mapped arrays."""
