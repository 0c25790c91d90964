"""Averages against brute force."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import nn

from unpersonal.diffusion.ema import (
    PowerEMA,
    exponent_to_std,
    power_function_response,
    profile_inner_products,
    std_to_exponent,
)


@pytest.mark.parametrize("std", [0.02, 0.05, 0.1, 0.2, 0.28])
def test_exponent_and_width_invert_each_other_and_describe_the_profile(std: float) -> None:
    assert exponent_to_std(std_to_exponent(std)) == pytest.approx(std, rel=1e-9)
    profile = power_function_response(20_000, std, 20_001)
    t = np.arange(20_001) / 20_000
    mean = (profile * t).sum()
    assert math.sqrt((profile * (t - mean) ** 2).sum()) == pytest.approx(std, rel=1e-3)


def test_widths_without_profile_are_refused() -> None:
    with pytest.raises(ValueError, match="width"):
        std_to_exponent(0.3)


def test_tracked_average_is_the_profile_weighted_mean() -> None:
    module = nn.Linear(1, 1, bias=False).double()
    values = np.random.default_rng(0).normal(size=400).cumsum()
    average = PowerEMA(module, 0.1)
    for index, value in enumerate(values):
        with torch.no_grad():
            module.weight.fill_(float(value))
        average.update((index + 1) * 8, 8)
    gamma = std_to_exponent(0.1)
    # telescoping products of the betas: weight of update i is i^(g+1) - (i-1)^(g+1), over n^(g+1)
    steps = np.arange(401) / 400
    expected = float((np.diff(steps ** (gamma + 1)) * values).sum())
    assert float(average.weights()["weight"]) == pytest.approx(expected, rel=1e-9)


def test_inner_products_are_the_integrals() -> None:
    t = np.linspace(0, 1000, 200_001)
    for (end_a, std_a), (end_b, std_b) in [((1000, 0.05), (600, 0.1)), ((400, 0.1), (1000, 0.2))]:
        curves = []
        for end, std in ((end_a, std_a), (end_b, std_b)):
            gamma = std_to_exponent(std)
            curves.append(np.where(t <= end, (gamma + 1) / end * (t / end) ** gamma, 0.0))
        integral = np.trapezoid(curves[0] * curves[1], t)
        closed = profile_inner_products([end_a], [std_a], [end_b], [std_b])[0, 0]
        assert closed == pytest.approx(integral, rel=1e-3)


def test_state_of_an_average_is_restored() -> None:
    module, other = nn.BatchNorm1d(3), nn.BatchNorm1d(3)
    first, second = PowerEMA(module, 0.05), PowerEMA(other, 0.05)
    for step in range(1, 4):
        with torch.no_grad():
            module.weight.add_(step)
        first.update(step * 4, 4)
    second.load_state_dict(first.state_dict())
    assert torch.equal(second.weights()["weight"], first.weights()["weight"])
    assert set(first.weights()) == set(module.state_dict())
    with pytest.raises(ValueError, match="another network"):
        second.load_state_dict({"unknown": torch.zeros(1)})


def test_weights_of_an_average_are_copies() -> None:
    module = nn.Linear(2, 2)
    average = PowerEMA(module, 0.05)
    average.weights()["weight"].fill_(9.0)
    assert float(average.weights()["weight"].max()) < 9
