"""What a review shows: what the gate passed narrowly and what is near exposed people; nothing that is gone for good."""

from __future__ import annotations

import numpy as np
import pytest

from tests.studies import drop_selected
from unpersonal.core.files import write_json
from unpersonal.report.review_items import BESIDE, Likeness, material_of
from unpersonal.synthesis.reviewed import Opinion, Review, pixel_names
from unpersonal.synthesis.selected import load_selected


def rows(found) -> list[int]:
    return [item.row for item in found.items]


def test_the_nearest_to_the_limit_comes_first_beside_the_image_that_the_gate_named(study):
    found = material_of(study, Review(), 0.9)
    # the score of a candidate grows with its number, and every third is flagged
    assert rows(found)[:12] == list(range(11, -1, -1))
    assert found.items[0].reasons[0] == "near the gate's limit: score 0.116, refused from 0.9"
    assert found.items[0].real[0] == 16 and len(found.items[0].real) <= BESIDE
    assert {found.subjects[row] for row in found.items[0].real} == {found.subjects[16]}


def test_an_image_with_several_reasons_is_shown_once(study):
    exposed = [{"train": 7, "exposure": 3.0}]
    write_json(
        study / "audit" / "private.json",
        {"worst": [], "pairs": [{"train": 7, "synthetic": 2, "distance": 0.5}], "exposed": exposed},
    )
    found = material_of(study, Review(), None)
    (item,) = [item for item in found.items if item.row == 2]
    assert [reason.split(":")[0] for reason in item.reasons] == [
        "near the gate's limit",
        "nearest to a person, by the audit",
        "nearest to a person of whom all attacks together say most",
    ]
    assert 7 in item.real and len(rows(found)) == len(set(rows(found)))


def test_what_is_gone_for_good_is_not_shown_and_what_may_come_back_is(study):
    names = pixel_names(load_selected(study).images)
    drop_selected(study, [3, 5, 11])
    assert not {3, 5, 11} & set(rows(material_of(study, Review(), 0.9)))
    opinions = {names[5]: Opinion("remove"), names[11]: Opinion("remove", final=True)}
    shown = rows(material_of(study, Review("x", opinions), 0.9))
    assert 5 in shown and not {3, 11} & set(shown)


def test_before_the_audit_only_borderline_images_are_shown(study):
    (study / "audit" / "private.json").unlink()
    (study / "audit" / "dropped.json").unlink()
    assert len(material_of(study, Review(), 0.9).items) == 12


@pytest.mark.parametrize("edge", [8, 32, 50])
def test_likeness_finds_the_image_that_correlates_best(edge):
    rng = np.random.default_rng(1)
    coarse = rng.integers(0, 200, (20, 1, 8, 8)).repeat(-(-edge // 8), 2).repeat(-(-edge // 8), 3)[..., :edge, :edge]
    images = coarse.astype(np.uint8)
    darker = (images[[13]] * 0.5 + 20).astype(np.uint8)
    assert Likeness(images, np.ones(20, bool)).nearest(darker) == 13
    assert Likeness(images, np.arange(20) != 13).nearest(darker) != 13
