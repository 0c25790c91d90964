"""The reference's practice re-enacted in a small study."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmarks import audit_practice
from benchmarks.audit_power import told
from benchmarks.audit_practice import (
    Practice,
    bench_of,
    candidates,
    passes_own_source,
    reenacted,
    released_by_practice,
    siamese,
)
from tests.studies import cohort_of, in_turn, write_study
from unpersonal.codec.codecs.patch import PatchCodec
from unpersonal.cohort.table import load_cohort
from unpersonal.core.pixels import to_float
from unpersonal.diffusion.config import NetworkConfig
from unpersonal.diffusion.models import FOLDER, write_network
from unpersonal.diffusion.network import build_denoiser
from unpersonal.judges import generated
from unpersonal.judges.config import JudgesConfig
from unpersonal.phantom import phantom_cohort

SPLITS = ("train", "test", "aux", "train", "test", "val", "aux")
JUDGES = JudgesConfig(width=8, embedding=16, reidentifier_steps=4, reidentifier_batch=16, gallery_views=1)
ROWS = np.array([0, 3, 9])


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A study with an untrained denoiser without conditions; its own selection are fresh people."""
    images, subjects, labels = phantom_cohort(210, 1, 32, findings=("No Finding", "Pleural Effusion"))
    fresh, _, _ = phantom_cohort(30, 2, 32, stream="fresh")
    path = write_study(
        tmp_path_factory.mktemp("practice") / "study",
        cohort_of(subjects, labels, in_turn(subjects, SPLITS)),
        images,
        codec=PatchCodec.fit(images, patch=4, components=8),
        kind="patch",
        selected=(fresh[:30], [["No Finding"]] * 30),
    )
    shape = NetworkConfig(resolution=8, channels=8, model_channels=32, channel_mult=(1, 2), attn_resolutions=())
    write_network(path.joinpath(*FOLDER), "denoiser", build_denoiser(shape, 0).state_dict(), shape)
    return path


def test_only_the_own_source_is_asked_at_one_half(study: Path) -> None:
    cohort = load_cohort(study)
    images = np.load(study / "store" / "images.npy")
    model = siamese(cohort, images, JUDGES)
    rows = cohort.rows("train")[:6]
    # a picture and itself are at distance 0, where the probability is that of the bias
    assert not passes_own_source(model, images[rows], images[rows]).any()
    own = passes_own_source(model, images[rows], images[np.roll(rows, 1)])
    other = [
        float(model.pair_logits(*(model.embed(to_float(images[[a]])) for a in pair)).detach())
        for pair in zip(rows, np.roll(rows, 1), strict=True)
    ]
    assert (own == (np.array(other) < 0)).all()


def test_a_source_has_one_image_the_first_candidate_that_passes(study: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[list[int]] = []

    def drawn(_study: Path, _denoiser: object, rows: np.ndarray, attempt: int) -> np.ndarray:
        asked.append(rows.tolist())
        return np.full((len(rows), 1, 32, 32), attempt, np.uint8)

    # the second source passes at the first draw, the first at the third, the third never
    allowed = iter([[False, True, False], [False, False], [True, False], [False]])
    monkeypatch.setattr(audit_practice, "candidates", drawn)
    monkeypatch.setattr(audit_practice, "passes_own_source", lambda *_: np.array(next(allowed)))
    released = released_by_practice(study, None, None, ROWS)  # type: ignore[arg-type]
    assert released[:, 0, 0, 0].tolist() == [0, 2]
    assert asked == [[0, 3, 9], [0, 9], [0, 9], [9]]


def test_candidates_differ_by_source_and_attempt(study: Path) -> None:
    denoiser = generated.load_denoiser(study.joinpath(*FOLDER, "denoiser.safetensors"), audit_practice.CPU)
    first = candidates(study, denoiser, ROWS, 0)
    assert first.shape == (3, 1, 32, 32) and first.dtype == np.uint8
    assert (candidates(study, denoiser, ROWS, 1) != first).any(axis=(1, 2, 3)).all()
    assert np.array_equal(candidates(study, denoiser, ROWS[1:2], 0)[0], first[1])


def test_both_sides_are_as_large_as_the_smaller_allows(study: Path) -> None:
    _, train, control = bench_of(study, load_cohort(study), 500)
    assert len(train) == len(control) == 60 and not set(train) & set(control)
    assert len(bench_of(study, load_cohort(study), 20)[1]) == 20


@pytest.mark.slow
def test_the_practice_fails_where_it_releases_train_people(study: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    images = np.load(study / "store" / "images.npy")
    # an over-fitted model that draws the picture of the next source: never its own, always one of them
    monkeypatch.setattr(audit_practice, "overfit", lambda *_: None)
    monkeypatch.setattr(audit_practice, "candidates", lambda _study, _model, rows, _: images[np.roll(rows, 1)])
    monkeypatch.setattr(audit_practice, "passes_own_source", lambda _, draws, __: np.ones(len(draws), bool))
    found = reenacted(study, Practice(sources=12, side=60, siamese_steps=2, released=30), JUDGES)
    assert found.yielded == found.sources == 12 and found.theirs.verdict == "fail"
    columns = told(found)
    assert columns["verdict"][0] == "fail" and columns["released images"] == ["12", "30"]
    assert columns["images that copy a person"][0] == "12"
