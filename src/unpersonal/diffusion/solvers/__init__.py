"""Our solvers: one module each, with one object `SOLVER` (see `diffusion.registry`)."""
