"""The few-step table: its intervals and verdicts on rows whose answer is known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from benchmarks.solvers import Ground, Judged, Row, fewest, half_samples, judge, match_rise_upper, settings_of
from unpersonal.core.errors import InputError
from unpersonal.features.pca import fit_pca
from unpersonal.metrics.neighbours import nearest

SUBJECTS, DIMENSIONS = 400, 6


@pytest.fixture(scope="module")
def ground() -> Ground:
    rng = np.random.default_rng(0)
    subjects = np.repeat([f"s{number}" for number in range(SUBJECTS)], 2)
    return Ground(
        subjects=subjects,
        targets=np.eye(2, dtype=np.float32)[np.repeat(np.arange(SUBJECTS) % 2, 2)],
        train=rng.standard_normal((900, DIMENSIONS)),
        held_out=rng.standard_normal((500, DIMENSIONS)),
        space=fit_pca(rng.integers(0, 256, (8, 1, 8, 8), dtype=np.uint8), 4),
        halves=half_samples(subjects, 60, np.random.default_rng(1)),
    )


def row_of(ground: Ground, points: np.ndarray, **changes: object) -> Row:
    noise = np.random.default_rng(3).standard_normal(len(points))
    first = 1 / (1 + np.exp(-(2.0 * (2 * ground.targets[:, 0] - 1) + noise)))
    row = Row(
        solver="unipc-2",
        steps=11,
        seconds=1.0,
        hits=nearest(points, ground.train)[0],
        points=points,
        flagged=np.random.default_rng(4).random(len(points)) < 0.1,
        probabilities=np.stack([first, 1 - first], 1).astype(np.float32),
    )
    return replace(row, **changes)


@pytest.fixture(scope="module")
def baseline(ground: Ground) -> Row:
    points = np.random.default_rng(2).standard_normal((2 * SUBJECTS, DIMENSIONS)) * 1.3
    return row_of(ground, points, solver="heun", steps=32)


def test_nearly_the_same_images_are_not_inferior(ground: Ground, baseline: Row) -> None:
    moved = baseline.points + 1e-3 * np.random.default_rng(5).standard_normal(baseline.points.shape)
    verdict = judge(row_of(ground, moved), baseline, ground, 0.01)
    assert verdict.failed == [] and verdict.evaluations == 11
    assert verdict.irs.lower < verdict.irs.value < verdict.irs.upper
    assert verdict.match.lower < verdict.match.value < verdict.match.upper
    assert verdict.fid_ratio == pytest.approx(1.0, abs=0.01) and verdict.match_rise == 0


@pytest.mark.slow
def test_each_margin_has_its_own_failure(ground: Ground, baseline: Row) -> None:
    narrow = baseline.points.copy()
    narrow[SUBJECTS:] = narrow[:SUBJECTS]
    worse = {
        "IRS": row_of(ground, narrow),
        "FID": row_of(ground, baseline.points + 1.0),
        "match rate": replace(baseline, flagged=baseline.flagged | (np.arange(2 * SUBJECTS) % 20 == 0)),
        "AUROC": replace(baseline, probabilities=baseline.probabilities[::-1]),
    }
    for name, row in worse.items():
        assert name in judge(row, baseline, ground, 0.01).failed, name
    alone = judge(worse["match rate"], baseline, ground, 0.01)
    assert alone.failed == ["match rate"] and alone.match_rise > 0.03
    assert judge(worse["match rate"], baseline, ground, 0.1).failed == []


def test_the_interval_of_half_samples_has_the_width_of_the_standard_error(ground: Ground, baseline: Row) -> None:
    means = np.array([baseline.flagged[rows].mean() for rows in ground.halves])
    of_subjects = baseline.flagged.reshape(SUBJECTS, 2).mean(1)
    assert means.std() == pytest.approx(of_subjects.std() / np.sqrt(SUBJECTS), rel=0.3)
    for rows in ground.halves:
        assert len(rows) == SUBJECTS and len(np.unique(ground.subjects[rows])) == SUBJECTS // 2
    with pytest.raises(InputError, match="four"):
        half_samples(np.array(["a", "b", "b"]), 5, np.random.default_rng(0))


def test_no_rise_seen_is_no_rise_excluded() -> None:
    for count in (10, 300):
        subjects = np.array([f"s{number}" for number in range(count)])
        # the exact bound of a rate without events is about 3 / n
        assert 2.0 / count < match_rise_upper(np.zeros(count), subjects) < 3.2 / count


def test_the_bound_of_the_rise_covers() -> None:
    rng = np.random.default_rng(6)
    subjects = np.arange(300).astype(str)
    # flagged newly with 3 %, no longer with 2 %: the true rise is 1 %
    bounds = [match_rise_upper(rng.choice([1, -1, 0], 300, p=[0.03, 0.02, 0.95]), subjects) for _ in range(400)]
    assert np.mean(np.array(bounds) >= 0.01) > 0.93


def test_a_lucky_pass_below_a_failure_does_not_count(ground: Ground, baseline: Row) -> None:
    sound = judge(baseline, baseline, ground, 0.01)

    def row(solver: str, budget: int, *failed: str) -> Judged:
        return replace(sound, solver=solver, steps=budget, evaluations=budget, failed=list(failed), fid_ratio=1.0)

    table = [sound, row("unipc-2", 7), row("unipc-2", 11, "FID"), row("unipc-2", 15), row("dpmpp-2m", 23)]
    assert (fewest(table).solver, fewest(table).evaluations) == ("unipc-2", 15)
    assert fewest([sound, row("unipc-2", 63, "FID")]) is sound
    # a match rate rises with accuracy: failing by it alone says nothing of fewer evaluations
    assert fewest([sound, row("unipc-2", 63, "match rate"), row("unipc-2", 15)]).evaluations == 15
    assert fewest([sound, row("unipc-2", 15, "match rate")]) is sound
    assert fewest([*table, replace(row("dpmpp-2m", 15), fid_ratio=0.9)]).solver == "dpmpp-2m"


def test_the_settings_start_with_the_baseline_and_hold_no_setting_twice() -> None:
    settings = settings_of(["heun", "dpmpp-2m"], [8, 7, 63, 1])
    assert settings == [("heun", 32), ("heun", 4), ("dpmpp-2m", 7), ("dpmpp-2m", 8), ("dpmpp-2m", 63)]
