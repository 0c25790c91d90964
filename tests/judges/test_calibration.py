"""The calibration's counting: halves of strangers, labels, which people count, and what falls short."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from unpersonal.core.errors import InputError
from unpersonal.judges.calibration import (
    ENOUGH,
    LESS,
    PROMISED,
    clean_hosts,
    counted,
    crossed_flags,
    interval,
    rates_of,
    shortfall,
    weight_of,
)
from unpersonal.judges.config import JudgesConfig
from unpersonal.judges.copies import CopyMaker
from unpersonal.judges.figures import MissFigures
from unpersonal.judges.panel import Enrolled
from unpersonal.judges.thresholds import Evidence
from unpersonal.matching.base import Scores
from unpersonal.matching.kinds import MAY_BE_BLIND, names
from unpersonal.metrics.intervals import clopper_pearson, clopper_pearson_upper


def misses(missed: int, subjects: int) -> MissFigures:
    upper = clopper_pearson_upper(missed, subjects)
    return MissFigures(subjects=subjects, missed=missed, miss_rate=missed / subjects, miss_rate_upper=upper)


class FirstPixel:
    """Scores a query by its first pixel."""

    def score(self, queries, gallery, own=None):
        return Scores(queries[:, 0, 0, 0].astype(np.float32), np.zeros(len(queries), int))


def test_a_host_whom_the_gate_flags_by_itself_carries_no_piece(tmp_path):
    images = np.arange(20, dtype=np.uint8)[:, None, None, None] * np.ones((1, 1, 4, 4), np.uint8)
    panel = [Enrolled("first pixel", FirstPixel(), None)]
    hosts = np.array([2, 4, 6, 12, 8, 14])

    def clean(hosts):
        maker = CopyMaker(tmp_path, images, hosts, None, JudgesConfig(), 0, torch.device("cpu"))
        return clean_hosts(panel, {"first pixel": 10.0}, maker)

    assert clean(hosts).tolist() == [4] and clean(hosts[:1]).tolist() == [2]
    assert clean(np.array([2, 12, 4, 14])).tolist() == [2, 4]
    for flagged in (hosts[3:4], np.array([12, 14, 13])):
        with pytest.raises(InputError, match="cannot be tried on pieces"):
            clean(flagged)


@pytest.mark.parametrize("matchers", [1, 4])
def test_false_flags_are_those_of_strangers_that_set_no_threshold(matchers):
    """On strangers that set the thresholds it could not be above what was spent; on others it is, somewhat."""
    rates, spend = [], 0.1
    for seed in range(60):
        rng = np.random.default_rng(seed)
        strangers = rng.normal(size=(matchers, 200)).astype(np.float32)
        kinds = [Evidence(rng.normal(1, 1, (matchers, 40)).astype(np.float32))]
        rates.append(crossed_flags(strangers, kinds, spend, np.zeros((1, 200), bool), seed).mean())
    error = np.std(rates) / np.sqrt(len(rates))
    # one threshold of 100 strangers has nothing to choose from; the division among four has, and pays for it here
    assert spend - 4 * error - 0.01 < np.mean(rates) < (1 if matchers == 1 else 1.8) * spend + 4 * error + 0.01
    assert max(rates) > spend


def test_one_stranger_cannot_be_judged_by_another_and_counts_as_flagged():
    assert crossed_flags(np.zeros((2, 1), np.float32), [], 0.1, np.zeros((1, 1), bool), 0).tolist() == [True]


def test_rates_by_label_are_counted_and_labels_with_few_strangers_left_out():
    flagged = np.array([1, 0, 0, 1, 1, 0, 0, 1], bool)
    targets = np.array([[1, 0, 0]] * 2 + [[1, 1, 0]] * 3 + [[0, 1, 0]] * 2 + [[0, 1, 1]], np.float32)
    assert rates_of(flagged, targets, ("a", "b", "c")) == {"a": 0.6, "b": 0.5}
    assert rates_of(flagged[:4], targets[:4], ("a", "b", "c")) == {}, "a rate of four people is one of each of them"


def test_the_interval_is_two_sided_and_exact():
    flagged = np.arange(50) < 7
    assert interval(flagged, 0.95) == (0.14, *clopper_pearson(7, 50, 0.95))


def test_the_worse_of_both_counts_where_enough_people_were_held_out():
    better, worse = misses(0, 1000), misses(3, ENOUGH)
    assert counted(better, worse) == worse
    assert counted(worse, better) == worse
    assert counted(better, misses(3, ENOUGH - 1)) == better


def test_299_people_without_a_miss_bound_one_percent_and_298_do_not():
    assert shortfall(misses(0, 299), 0.1, 0.01, 0.2, 0.95) == ""
    assert "298 subjects missed, 299 without a miss" in shortfall(misses(0, 298), 0.1, 0.01, 0.2, 0.95)
    assert "above the budget 0.2" in shortfall(misses(0, 299), 0.21, 0.01, 0.2, 0.95)


def test_every_kind_has_a_weight():
    weights = {name: weight_of(name) for name in names()}
    assert set(weights.values()) == {PROMISED, 1.0, LESS}
    assert weights["mirror"] == PROMISED and weights["half"] == 1.0
    assert all(weights[name] == LESS for name in MAY_BE_BLIND)
