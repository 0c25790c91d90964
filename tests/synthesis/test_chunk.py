"""One chunk of sources: bounded loops, unique seeds, nothing flagged is selected."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from types import SimpleNamespace

import numpy as np

from tests.studies import cohort_of
from unpersonal.core.tensors import save_array
from unpersonal.features.blend import Blender
from unpersonal.judges.panel import NOBODY, Ruling
from unpersonal.matching.base import flags
from unpersonal.synthesis.chunk import Pipeline, draw_chunk, open_pipeline
from unpersonal.synthesis.config import SynthesisConfig
from unpersonal.synthesis.draw import plan_draws


def ruled(score, nearest, threshold):
    return Ruling(score, nearest, np.where(flags(score, threshold), 0, NOBODY))


def open_made(veto, attempts=3, classify=None):
    config = SynthesisConfig(candidates=2, attempts=attempts, guidance=0.15, batch=3)
    rng = np.random.default_rng(0)
    features = rng.normal(size=(6, 4)).astype(np.float32)
    blender = Blender(features, np.array(list("abcdef"), dtype=object), np.array([0, 0, 0, 0, 1, 1]), 2, 0.1)
    guidances = []

    def sampler(seeds, conditions, guidance):
        guidances.append(guidance)
        return np.stack([np.random.default_rng(s).integers(0, 256, (1, 8, 8), dtype=np.uint8) for s in seeds])

    of_source = {row: np.array([0.5, 0.5]) for row in range(6)}
    classify = classify or (lambda images: np.full((len(images), 2), 0.5))
    made = Pipeline(config, 7, blender, {i: i for i in range(6)}, sampler, veto, classify, of_source, ("one",))
    return made, guidances


def all_flagged(images):
    return Ruling(np.full(len(images), 9.0), np.zeros(len(images), int), np.zeros(len(images), int))


def test_a_source_without_a_clean_candidate_yields_nothing_after_a_bounded_number_of_tries():
    made, guidances = open_made(all_flagged)
    shard = draw_chunk([0, 1, 2], made)
    assert len(shard["images"]) == 0 and not shard["selected"].any()
    assert len(shard["source"]) == 3 * 2 * 3
    assert sorted(set(guidances), reverse=True) == [0.15, 0.05, 0.0]


def test_clean_candidates_are_selected_once_per_source_and_match_the_ledger():
    def veto(images):
        score = images.reshape(len(images), -1).mean(1) / 255
        return ruled(score, np.zeros(len(images), int), 0.5)

    made, _ = open_made(veto)
    shard = draw_chunk([0, 1, 2, 3], made)
    selected = shard["selected"].numpy()
    assert not (selected & shard["flagged"].numpy()).any()
    assert len(shard["images"]) == selected.sum() == len(set(shard["source"].numpy()[selected].tolist()))
    for image, digest in zip(shard["images"].numpy(), shard["sha256"].numpy()[selected]):
        assert hashlib.sha256(image.tobytes()).digest() == bytes(digest.tolist())
    assert len(set(shard["seed"].numpy().tolist())) == len(shard["seed"])


def test_the_same_chunk_gives_the_same_bytes():
    made, _ = open_made(lambda images: ruled(np.zeros(len(images)), np.zeros(len(images), int), 0.5))
    first, again = draw_chunk([0, 1], made), draw_chunk([0, 1], made)
    assert all((first[name] == again[name]).all() for name in first)


def test_a_source_that_cannot_be_blended_gets_no_draw():
    made, _ = open_made(all_flagged)
    lonely = Blender(made.blender.conditions, made.blender.subjects, np.array([0, 0, 0, 0, 0, 1]), 2, 0.1)
    assert plan_draws([5], made.position, 0, lonely, made.config, 7) == []


def test_the_pipeline_knows_whose_labels_were_given(tmp_path, monkeypatch):
    """A label that one person was given is not drawn, whoever else was predicted to have it."""
    train = ["a", "b", "c", "d"]
    predicted = replace(cohort_of(train, ["common", "common", "rare", "rare"]), unlabelled=frozenset({"3.png"}))
    save_array(tmp_path / "store" / "images.npy", np.zeros((4, 1, 8, 8), np.uint8))
    matcher = SimpleNamespace(enrol=lambda images, subjects: None)
    classifier = SimpleNamespace(probabilities=lambda images: np.full((len(images), 2), 0.5))
    gate = SimpleNamespace(threshold=0.5, matchers={"re-identifier": SimpleNamespace(threshold=0.5)})
    judges = SimpleNamespace(
        reidentifier=matcher,
        classifier=classifier,
        gate=gate,
        matchers={},
    )
    monkeypatch.setattr("unpersonal.judges.store.load_judges", lambda *_: judges)
    monkeypatch.setattr("unpersonal.synthesis.chunk.load_components", lambda _: ())
    monkeypatch.setattr("unpersonal.synthesis.chunk.load_conditions", lambda _: None)
    monkeypatch.setattr("unpersonal.synthesis.chunk.make_sampler", lambda *_: None)
    made = open_pipeline(tmp_path, predicted, [0, 1, 2, 3], SynthesisConfig(), 7, None)
    assert [made.blender.may_draw(row) for row in range(4)] == [True, True, False, False]
