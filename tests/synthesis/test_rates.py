"""The figures of a ledger against those that pandas counts."""

from __future__ import annotations

import numpy as np
import pytest

from tests.synthesis.conftest import by_brightness
from unpersonal.judges.panel import Ruling
from unpersonal.synthesis.ledger import join, load_ledger
from unpersonal.synthesis.pipeline import draw_part
from unpersonal.synthesis.rates import measure

MATCHERS = ("re-identifier", "zebra", "ape")


def of_three(images):
    """Flagged by one of three matchers; the pixels say by whom, and whom it names."""
    by = images[:, 0, 0, 0].astype(int) % 5 - 1
    return Ruling(np.where(by >= 0, 0.9, 0.1), images[:, 0, 0, 1].astype(int) % 24, np.where(by > 2, -1, by))


def test_figures_are_those_of_the_ledger(made):
    study = made(of_three, images="3x")
    pipeline = study.pipeline.__class__(**{**study.pipeline.__dict__, "matchers": MATCHERS})
    for number in range(len(pipeline.parts)):
        draw_part(number, pipeline)
    join(pipeline.parts, study.cohort)
    found = measure(study.study, study.cohort, study.plan, study.config, 24, 7)
    ledger = load_ledger(study.study)
    first = ledger[ledger["attempt"] == 0]
    assert found.sources == 24 and found.draws == len(study.plan) and found.candidates == len(ledger)
    assert found.match_rate_before_gate == pytest.approx(first["flagged"].mean())
    assert found.match_rate_all_attempts == pytest.approx(ledger["flagged"].mean())
    low, high = found.match_rate_interval
    assert low < found.match_rate_before_gate < high
    by = first.loc[first["flagged"], "by"].value_counts()
    assert found.match_rate_by_matcher == pytest.approx({name: by[name] / len(first) for name in sorted(MATCHERS)})
    assert found.match_rate_by_split == pytest.approx({"train": found.match_rate_before_gate})
    assert found.attempts_mean == pytest.approx(ledger.groupby("draw")["attempt"].max().add(1).mean())
    assert found.released == ledger["selected"].sum() == found.draws - found.draws_without_image
    for row in found.label_sets:
        own = ledger["source"].map(lambda source: "|".join(study.cohort.labels[source])) == row.labels
        assert row.released == (own & ledger["selected"]).sum()
        assert row.planned == ledger.loc[own, "draw"].nunique()


def test_the_interval_is_over_people_and_not_over_draws(made):
    """Five times the draws of the same people do not make it five times as sure."""
    widths = []
    for images in ("1x", "8x"):
        # the first half of the people are always recognised, by the seed of their condition's first column
        study = made(by_brightness, images=images, candidates=1, attempts=1)
        owner = study.cohort.subjects
        known = {f"s{i}" for i in range(0, 12, 2)}
        flags = {draw: owner[source] in known for draw, source in enumerate(study.plan.sources)}
        for number in range(len(study.pipeline.parts)):
            draws = study.pipeline.parts.draws(number)
            by = np.array([0 if flags[draw] else -1 for draw in draws])
            ruling = Ruling(np.zeros(len(by)), np.zeros(len(by), int), by)
            draw_part(number, study.pipeline.__class__(**{**study.pipeline.__dict__, "veto": lambda _, r=ruling: r}))
        join(study.pipeline.parts, study.cohort)
        low, high = measure(study.study, study.cohort, study.plan, study.config, 24, 7).match_rate_interval
        widths.append(high - low)
    assert widths[1] > 0.8 * widths[0]
