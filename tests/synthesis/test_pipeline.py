"""What a draw passes through: bounded loops, shared batches, nothing flagged is selected, any order of parts."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from types import SimpleNamespace

import numpy as np

from tests.studies import cohort_of
from tests.synthesis.conftest import all_flagged, by_brightness
from unpersonal.core.tensors import save_array
from unpersonal.synthesis.config import SynthesisConfig
from unpersonal.synthesis.parts import Parts
from unpersonal.synthesis.pipeline import draw_all, draw_part, open_pipeline
from unpersonal.synthesis.plan import make_plan


def test_a_draw_without_a_clean_candidate_yields_nothing_after_a_bounded_number_of_tries(made):
    study = made(all_flagged)
    columns, images = draw_all(range(3), study.pipeline)
    assert images is None and not any(columns["selected"])
    assert len(columns["draw"]) == 3 * 2 * 3
    assert sorted({guidance for _, guidance in study.calls}, reverse=True) == [0.15, 0.05, 0.0]


def test_candidates_of_many_draws_share_full_batches_in_redraws_too(made):
    study = made(all_flagged, batch=5)
    draw_all(range(6), study.pipeline)
    assert [size for size, _ in study.calls] == [5, 5, 2] * 3


def test_clean_candidates_are_selected_once_per_draw_and_match_the_ledger(made):
    study = made()
    columns, images = draw_all(range(10), study.pipeline)
    selected, flagged = np.array(columns["selected"]), np.array(columns["flagged"])
    assert selected.sum() > 0 and not (selected & flagged).any()
    assert len(images) == selected.sum() == len(set(np.array(columns["draw"])[selected]))
    assert [hashlib.sha256(image.tobytes()).hexdigest() for image in images] == list(
        np.array(columns["sha256"])[selected]
    )
    assert len(set(columns["seed"])) == len(columns["seed"])
    assert [study.plan.sources[draw] for draw in columns["draw"]] == columns["source"]
    # a draw is drawn again only as long as nothing clean was drawn for it
    for draw, attempt in zip(columns["draw"], columns["attempt"]):
        earlier = (np.array(columns["draw"]) == draw) & (np.array(columns["attempt"]) < attempt)
        assert flagged[earlier].all()


def test_parts_have_the_same_bytes_in_any_order_and_are_made_once(made, tmp_path):
    first = made(by_brightness)
    files = {}
    for number in (2, 0, 5, 1, 3, 4):
        for path in draw_part(number, first.pipeline):
            files[path.name] = path.read_bytes()
            path.unlink()
    calls = len(first.calls)
    for number in range(len(first.pipeline.parts)):
        assert [path.read_bytes() for path in draw_part(number, first.pipeline)] == [
            files[path.name] for path in first.pipeline.parts.files(number)
        ]
    assert len(first.calls) == 2 * calls
    draw_part(0, first.pipeline)
    assert len(first.calls) == 2 * calls


def test_the_pipeline_knows_whose_labels_were_given(tmp_path, monkeypatch):
    """A label that one person was given is not drawn, whoever else was predicted to have it."""
    cohort = cohort_of(["a", "b", "c", "d"], ["common", "common", "rare", "rare"])
    predicted = cohort.__class__(cohort.table, cohort.classes, unlabelled=frozenset({"3.png"}))
    save_array(tmp_path / "store" / "images.npy", np.zeros((4, 1, 8, 8), np.uint8))
    judges = SimpleNamespace(
        reidentifier=SimpleNamespace(enrol=lambda images, subjects: None),
        classifier=SimpleNamespace(probabilities=lambda images: np.full((len(images), 2), 0.5)),
        gate=SimpleNamespace(threshold=0.5, matchers={"re-identifier": SimpleNamespace(threshold=0.5)}),
        matchers={},
    )
    monkeypatch.setattr("unpersonal.judges.store.load_judges", lambda *_: judges)
    monkeypatch.setattr("unpersonal.synthesis.pipeline.load_components", lambda _: ())
    monkeypatch.setattr("unpersonal.synthesis.pipeline.load_conditions", lambda _: None)
    monkeypatch.setattr("unpersonal.synthesis.pipeline.make_sampler", lambda *_: None)
    config = SynthesisConfig(fewest_subjects=2, largest_share=1.0, images=8)
    plan = make_plan(predicted, config, 7)
    assert {label_set.name for label_set in plan.label_sets} == {"common"} and plan.label_sets_left_out == 1
    made = open_pipeline(Parts(tmp_path, plan, 8, "key"), predicted, config, 7, None)
    assert [made.blender.may_draw(row) for row in range(4)] == [True, True, False, False]


def test_with_shards_a_draw_is_made_by_the_networks_that_know_nobody_of_it(made):
    study = made(by_brightness)
    names = {0: [], 1: []}
    plain = study.pipeline.sampler

    def sampler(number):
        def draw(seeds, conditions, guidance):
            names[number] += seeds
            return plain(seeds, conditions, guidance)

        return draw

    maker = np.arange(len(study.plan)) % 2
    sharded = replace(study.pipeline, sampler=sampler(0), second=sampler(1), maker=maker)
    columns, images = draw_all(range(10), sharded)
    same, plainly = draw_all(range(10), study.pipeline)
    assert columns == same and np.array_equal(images, plainly), "their order is that of one sampler"
    for seed, draw in zip(columns["seed"], columns["draw"], strict=True):
        assert seed in names[maker[draw]] and seed not in names[1 - maker[draw]]
