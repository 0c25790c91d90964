"""Veto first, rank after; bounded loops; unique seeds."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from unpersonal.cohort.table import Cohort
from unpersonal.core.tensors import save_array
from unpersonal.features.blend import Blender
from unpersonal.synthesis.config import SynthesisConfig
from unpersonal.synthesis.draw import candidate_seed, plan_draws
from unpersonal.synthesis.gate import Ruling, choose, rule
from unpersonal.synthesis.stage import Bench, draw_chunk, open_bench


@pytest.mark.parametrize("score", [1.0, 1.5, np.nan, np.inf, -np.inf])
def test_what_is_not_strictly_below_the_threshold_is_flagged(score):
    ruling = rule(np.array([score, 0.5]), np.array([0, 0]), 1.0)
    assert ruling.flagged.tolist() == [True, False]


@pytest.mark.parametrize("threshold", [np.nan, np.inf, -np.inf])
def test_a_threshold_that_is_not_finite_flags_everything(threshold):
    assert rule(np.array([-5.0, 0.0]), np.array([0, 0]), threshold).flagged.all()


def test_a_flagged_candidate_never_wins_however_well_it_ranks():
    rng = np.random.default_rng(0)
    for _ in range(200):
        owners = rng.integers(0, 4, 20)
        flagged = rng.random(20) < 0.6
        wanted = {s: rng.dirichlet(np.ones(3)) for s in range(4)}
        probabilities = np.stack([wanted[int(s)] if f else rng.dirichlet(np.ones(3)) for s, f in zip(owners, flagged)])
        chosen = choose(owners, flagged, probabilities, wanted)
        for source in range(4):
            clean = [i for i in range(20) if owners[i] == source and not flagged[i]]
            if not clean:
                assert source not in chosen
            else:
                best = min(clean, key=lambda i: (np.abs(probabilities[i] - wanted[source]).sum(), i))
                assert chosen[source] == best


def test_seeds_are_unique_over_source_attempt_candidate_and_study():
    seeds = {
        candidate_seed(study, source, attempt, candidate)
        for study in range(3)
        for source in range(200)
        for attempt in range(4)
        for candidate in range(8)
    }
    assert len(seeds) == 3 * 200 * 4 * 8


def bench(judge, attempts=3, classify=None):
    config = SynthesisConfig(candidates=2, attempts=attempts, guidance=0.15, batch=3)
    rng = np.random.default_rng(0)
    features = rng.normal(size=(6, 4)).astype(np.float32)
    blender = Blender(features, np.array(list("abcdef"), dtype=object), np.array([0, 0, 0, 0, 1, 1]), 2, 0.1)
    guidances = []

    def sampler(seeds, conditions, guidance):
        guidances.append(guidance)
        return np.stack([np.random.default_rng(s).integers(0, 256, (1, 8, 8), dtype=np.uint8) for s in seeds])

    wanted = {row: np.array([0.5, 0.5]) for row in range(6)}
    classify = classify or (lambda images: np.full((len(images), 2), 0.5))
    made = Bench(config, 7, blender, {i: i for i in range(6)}, sampler, judge, classify, wanted)
    return made, guidances


def all_flagged(images):
    return Ruling(np.full(len(images), 9.0), np.zeros(len(images), int), np.ones(len(images), bool))


def test_a_source_without_a_clean_candidate_yields_nothing_after_a_bounded_number_of_tries():
    made, guidances = bench(all_flagged)
    part = draw_chunk([0, 1, 2], made)
    assert len(part["images"]) == 0 and not part["selected"].any()
    assert len(part["source"]) == 3 * 2 * 3
    assert sorted(set(guidances), reverse=True) == [0.15, 0.05, 0.0]


def test_clean_candidates_are_selected_once_per_source_and_match_the_ledger():
    def judge(images):
        score = images.reshape(len(images), -1).mean(1) / 255
        return rule(score, np.zeros(len(images), int), 0.5)

    made, _ = bench(judge)
    part = draw_chunk([0, 1, 2, 3], made)
    selected = part["selected"].numpy()
    assert not (selected & part["flagged"].numpy()).any()
    assert len(part["images"]) == selected.sum() == len(set(part["source"].numpy()[selected].tolist()))
    import hashlib

    for image, digest in zip(part["images"].numpy(), part["sha256"].numpy()[selected]):
        assert hashlib.sha256(image.tobytes()).digest() == bytes(digest.tolist())
    assert len(set(part["seed"].numpy().tolist())) == len(part["seed"])


def test_the_same_chunk_gives_the_same_bytes():
    made, _ = bench(lambda images: rule(np.zeros(len(images)), np.zeros(len(images), int), 0.5))
    first, again = draw_chunk([0, 1], made), draw_chunk([0, 1], made)
    assert all((first[name] == again[name]).all() for name in first)


def test_a_source_that_cannot_be_blended_gets_no_draw():
    made, _ = bench(all_flagged)
    lonely = Blender(made.blender.conditions, made.blender.subjects, np.array([0, 0, 0, 0, 0, 1]), 2, 0.1)
    assert plan_draws([5], made.position, 0, lonely, made.config, 7) == []


def test_the_bench_knows_whose_labels_were_given(tmp_path, monkeypatch):
    """A label that one person was given is not drawn, whoever else was predicted to have it."""
    train = ["a", "b", "c", "d"]
    table = pd.DataFrame(
        {
            "image": train,
            "subject": train,
            "labels": [["common"], ["common"], ["rare"], ["rare"]],
            "split": "train",
            "sha256": "0",
        }
    )
    predicted = Cohort(table, ("common", "rare"), unlabelled=frozenset({"d"}))
    save_array(tmp_path / "store" / "images.npy", np.zeros((4, 1, 8, 8), np.uint8))
    judge = SimpleNamespace(embed_gallery=lambda images: None, embed=None, best_match=None)
    classifier = SimpleNamespace(probabilities=lambda images: np.full((len(images), 2), 0.5))
    judges = SimpleNamespace(reidentifier=judge, classifier=classifier, gate={"threshold": 0.5})
    monkeypatch.setattr("unpersonal.judges.stage.load_judges", lambda *_: judges)
    monkeypatch.setattr("unpersonal.synthesis.stage.load_components", lambda _: ())
    monkeypatch.setattr("unpersonal.synthesis.stage.load_conditions", lambda _: None)
    monkeypatch.setattr("unpersonal.synthesis.stage.make_sampler", lambda *_: None)
    made = open_bench(tmp_path, predicted, [0, 1, 2, 3], SynthesisConfig(), 7, None)
    assert [made.blender.may_draw(row) for row in range(4)] == [True, True, False, False]
