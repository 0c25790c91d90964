"""The names of the solvers and what each costs; without torch, so that a configuration can name a solver at once."""

from __future__ import annotations

from typing import Literal, get_args

SolverName = Literal["heun", "dpmpp-2m", "unipc-2", "unipc-3"]
SOLVER_NAMES: tuple[str, ...] = get_args(SolverName)


def evaluations(solver: str, steps: int) -> int:
    """Evaluations of the (guided) denoiser in a run of `steps` steps that ends at noise level 0.

    Heun's method looks twice per step, except in the last; a multistep method once. Where guidance acts, each of them
    costs one evaluation of the denoiser and one of the guide.
    """
    if solver not in SOLVER_NAMES:
        raise ValueError(f"no solver {solver!r}; solvers are {', '.join(SOLVER_NAMES)}")
    if steps < 1:
        raise ValueError("a solver needs at least one step")
    return 2 * steps - 1 if solver == "heun" else steps


def steps_within(solver: str, budget: int) -> int:
    """The most steps that `solver` can take in `budget` >= 1 evaluations."""
    if budget < 1:
        raise ValueError("a solver needs at least one evaluation")
    return (budget + 1) // 2 if evaluations(solver, 2) == 3 else budget
