"""The bound of differential privacy on singling out, against the closed form."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from unpersonal.audit.formal import FormalFigures, formal_of, singling_out_bound
from unpersonal.core.errors import InputError
from unpersonal.core.records import StageRecord


def record(path: Path, **figures: object) -> Path:
    StageRecord("diffusion", "key", {}, {}, {}, dict(figures), 1.0, {}, []).write(path)
    return path


@pytest.mark.parametrize(
    ("epsilon", "delta", "subjects", "weight"),
    [(0.0, 0.0, 1000, 1e-5), (1.0, 1e-6, 1000, 1e-5), (3.0, 1e-7, 450, 1 / 45_000), (2.0, 0.0, 20_000, 0.0)],
)
def test_the_bound_is_its_closed_form(epsilon: float, delta: float, subjects: int, weight: float) -> None:
    expected = math.exp(epsilon) * subjects * weight + subjects * delta
    assert singling_out_bound(epsilon, delta, subjects, weight) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize(("epsilon", "delta"), [(5.0, 0.0), (1e6, 0.0), (0.0, 1e-2)])
def test_a_probability_is_at_most_one(epsilon: float, delta: float) -> None:
    assert singling_out_bound(epsilon, delta, 1000, 1e-5) == 1.0


@pytest.mark.parametrize(
    "wrong", [(-1.0, 0.0, 10, 0.1), (math.inf, 0.0, 10, 0.1), (1.0, 2.0, 10, 0.1), (1.0, 0.0, 0, 0.1), (1, 0, 10, 1.5)]
)
def test_what_is_no_guarantee_is_refused(wrong: tuple[float, float, int, float]) -> None:
    with pytest.raises(ValueError, match="no guarantee"):
        singling_out_bound(*wrong)


def test_it_is_told_where_the_generator_has_an_epsilon_and_only_there(tmp_path: Path) -> None:
    assert formal_of(tmp_path / "missing.json", 1000, 1e-5) is None
    assert formal_of(record(tmp_path / "plain.json", denoiser_images=3), 1000, 1e-5) is None
    found = formal_of(record(tmp_path / "private.json", epsilon=1.0, delta=1e-6), 1000, 1e-5)
    assert found is not None and found.bound == pytest.approx(math.e * 0.01 + 1e-3)
    assert found == FormalFigures(epsilon=1.0, delta=1e-6, subjects=1000, weight=1e-5, bound=found.bound)
    with pytest.raises(InputError, match="differential privacy"):
        formal_of(record(tmp_path / "wrong.json", epsilon="much"), 1000, 1e-5)
