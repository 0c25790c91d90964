"""Foreign checkpoints: `read` finds the network in a file, `load` opens pickled ones without running what they name."""
