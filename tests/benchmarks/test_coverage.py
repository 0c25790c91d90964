"""Small versions of the coverage table: fewer trials, and a bound that chance crosses once in a thousand."""

from __future__ import annotations

import pytest

from benchmarks.coverage import Classifiers, Clouds, covered, fid_intervals, irs_intervals, utility_intervals


@pytest.mark.slow
@pytest.mark.parametrize(
    ("world", "test", "synthetic"),
    [(Clouds(4, 200, 1, 1.0, 0.0), 100, 100), (Clouds(8, 200, 2, 1.1, 0.1), 100, 150)],
)
def test_irs_intervals_cover_over_people(world: Clouds, test: int, synthetic: int) -> None:
    intervals, truth = irs_intervals(world, test, synthetic, 100, 0)
    # binomial(100, 0.87) is below 76 with probability 0.001; the former intervals held it 70 times
    assert covered(intervals, truth) >= 76


@pytest.mark.slow
@pytest.mark.parametrize("world", [Clouds(6, 100, 2, 1.0, 0.0), Clouds(6, 100, 2, 0.8, 0.3)])
def test_fid_intervals_cover_the_distance_of_the_populations(world: Clouds) -> None:
    intervals, truth = fid_intervals(world, 100, 150, 40, 0)
    # binomial(40, 0.92) is below 30 with probability 0.001
    assert covered(intervals, truth) >= 30


@pytest.mark.slow
def test_utility_intervals_hold_for_other_training_seeds() -> None:
    world = Classifiers(people=60, spread=0.25)
    intervals, truth = utility_intervals(world, 50, 0)
    # binomial(50, 0.92) is below 39 with probability 0.001
    assert covered(intervals[:, :2], truth) >= 39
    assert int((intervals[:, 2] >= truth).sum()) >= 39
