"""The card tells volume, label sets, noise and what was left out; of one person's share only whole per cent."""

from __future__ import annotations

from dataclasses import replace

from unpersonal.release.planned import CHOSEN, planned_statement, share_told
from unpersonal.synthesis.rank import RANKS


def test_volume_labels_noise_and_what_is_left_out_are_told(demo_summary):
    figures = replace(demo_summary.figures.synthesis, sources=400, draws=1200, largest_share=0.0312)
    text = planned_statement(figures)
    assert "3.0 images" in text and "4%" in text and "scale 2)" in text and "left out" not in text
    weighed = planned_statement(replace(figures, labels="weights", label_noise=0.0, label_sets_left_out=2))
    assert "weights" in weighed and "noise" not in weighed
    assert "fewer than 10 training people" in weighed and "left out" in weighed
    assert "equally often" in planned_statement(replace(figures, labels="balanced"))
    assert "not known" in planned_statement(None)
    shared = planned_statement(replace(figures, shared_by=20))
    assert "mean of a group of at least 20 people" in shared and "nobody lent the labels of more than 4%" in shared
    assert "at least <5 people" in planned_statement(replace(figures, shared_by=3))


def test_one_persons_share_is_rounded_up():
    assert [share_told(value) for value in (0.0001, 0.03, 0.0301, 1.0)] == [0.01, 0.03, 0.04, 1.0]


def test_the_card_has_words_for_every_rank():
    """A rank without words ended the release with a KeyError."""
    assert set(CHOSEN) == set(RANKS)
