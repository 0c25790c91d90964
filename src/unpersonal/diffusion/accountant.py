"""What differential privacy costs: ε of noised steps on random people, by the accountant of `opacus` (extra `dp`).

Each step takes every subject with probability q, independently, clips what it adds to the gradient to length C, and
adds Gaussian noise of deviation σ C (Abadi et al., arXiv 1607.00133). The Rényi accountant (Mironov et al., arXiv
1908.10530) adds up the steps; neighbours are cohorts that differ by one subject with all images.
"""

from __future__ import annotations

from typing import Any

from ..core.errors import InputError

ORDERS = (*(1 + x / 10 for x in range(1, 100)), *range(11, 64), *(2**i for i in range(6, 10)))
"""Of the Rényi divergence. The largest serve small ε, where the usual ones up to 63 end too early."""


def _accountants() -> Any:
    try:
        from opacus import accountants
        from opacus.accountants import utils  # noqa: F401
    except ImportError:
        raise InputError(
            "Differential privacy needs opacus, which is not installed",
            where="[diffusion] dp_epsilon",
            how="pip install 'unpersonal[dp]', or set dp_epsilon = 0",
        ) from None
    return accountants


def epsilon_spent(multiplier: float, rate: float, steps: int, delta: float) -> float:
    """ε at `delta` of `steps` steps with noise `multiplier` σ, each subject taken with probability `rate`."""
    accountant = _accountants().RDPAccountant()
    accountant.history = [(multiplier, rate, steps)] if steps else []
    return float(accountant.get_epsilon(delta=delta, alphas=ORDERS)) if steps else 0.0


def noise_multiplier(epsilon: float, delta: float, rate: float, steps: int) -> float:
    """The least σ (to 0.1 % of `epsilon`) of which `steps` steps spend at most `epsilon` at `delta`.

    `InputError` where no noise is enough.
    """
    find = _accountants().utils.get_noise_multiplier
    try:
        return float(
            find(
                target_epsilon=epsilon,
                target_delta=delta,
                sample_rate=rate,
                steps=steps,
                accountant="rdp",
                epsilon_tolerance=epsilon / 1000,
                alphas=ORDERS,
            )
        )
    except ValueError:
        raise InputError(
            f"No noise makes {steps:,} steps private with ε = {epsilon:g}",
            where="[diffusion] dp_epsilon",
            how="allow more, or train on fewer images or in smaller batches",
        ) from None
