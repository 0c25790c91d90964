from __future__ import annotations

import math

import pytest
from opacus.accountants import RDPAccountant

from unpersonal.core.errors import InputError
from unpersonal.diffusion.accountant import ORDERS, epsilon_spent, noise_multiplier


@pytest.mark.parametrize(("multiplier", "rate", "steps"), [(0.8, 0.02, 300), (2.0, 0.5, 40), (1.1, 1.0, 3)])
def test_epsilon_is_that_of_opacus_for_the_steps_that_happened(multiplier: float, rate: float, steps: int) -> None:
    accountant = RDPAccountant()
    for _ in range(steps):
        accountant.step(noise_multiplier=multiplier, sample_rate=rate)
    expected = accountant.get_epsilon(1e-5, alphas=ORDERS)
    assert epsilon_spent(multiplier, rate, steps, 1e-5) == pytest.approx(expected, rel=1e-12)


def test_one_step_with_everybody_is_the_gaussian_mechanism() -> None:
    sigma, delta = 3.0, 1e-5
    # Mironov 2017, proposition 3 and corollary 3, is the plainest bound; the accountant's must not be larger
    plain = min(order / (2 * sigma**2) + math.log(1 / delta) / (order - 1) for order in ORDERS)
    assert 0.5 * plain < epsilon_spent(sigma, 1.0, 1, delta) <= plain


def test_nothing_done_spends_nothing_and_more_steps_spend_more() -> None:
    spent = [epsilon_spent(1.0, 0.1, steps, 1e-5) for steps in (0, 1, 10, 100)]
    assert spent[0] == 0 and spent == sorted(spent)


@pytest.mark.parametrize("epsilon", [0.5, 3.0, 10.0])
def test_the_noise_is_enough_and_no_more(epsilon: float) -> None:
    multiplier = noise_multiplier(epsilon, 1e-5, 0.05, 200)
    assert 0.99 * epsilon < epsilon_spent(multiplier, 0.05, 200, 1e-5) <= epsilon


def test_an_epsilon_that_no_noise_gives_is_refused() -> None:
    with pytest.raises(InputError, match="No noise"):
        noise_multiplier(1e-9, 1e-12, 1.0, 10**6)
