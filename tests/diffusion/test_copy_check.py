"""What counts as a match: copies of train people however they are made, not strangers, nor what is like everybody."""

from __future__ import annotations

from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np
import pytest
import torch

from unpersonal.core.errors import InputError
from unpersonal.diffusion.config import DiffusionConfig
from unpersonal.diffusion.copy_check import QUERY_BYTES, REFERENCE_BYTES, CopyCheck, Look, People
from unpersonal.diffusion.memory import _Watch
from unpersonal.matching.base import Scores
from unpersonal.matching.kinds import kind
from unpersonal.matching.strangers import Scale
from unpersonal.metrics.exceedances import LEVEL, plan
from unpersonal.metrics.intervals import clopper_pearson_lower
from unpersonal.phantom import phantom_cohort

CPU = torch.device("cpu")
COUNT = 64
FAST = ("mixtures", "parts")


@pytest.fixture(scope="module")
def images() -> np.ndarray:
    """Of 600 people one image each, uint8 [600, 1, 32, 32]."""
    found, subjects, _ = phantom_cohort(600, seed=11, size=32)
    _, first = np.unique(subjects, return_index=True)
    return found[np.sort(first)]


def check_of(images: np.ndarray, train: np.ndarray, strangers: np.ndarray, matchers: tuple[str, ...]) -> CopyCheck:
    shown = [People(images[rows], rows.astype(str)) for rows in (train, strangers)]
    check = CopyCheck.fit(*shown, matchers=matchers, count=COUNT, rate=0.05, seed=0, device=CPU)
    assert check is not None
    return check


@pytest.fixture(scope="module")
def check(images: np.ndarray) -> CopyCheck:
    """By all matchers, of 150 train people and 100 strangers; the others are fresh."""
    return check_of(images, np.arange(150), np.arange(150, 250), DiffusionConfig().monitor_matchers)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["exact", "mirror", "right-angle", "half", "average"])
def test_copies_of_train_people_are_too_many_matches(images: np.ndarray, check: CopyCheck, name: str) -> None:
    made, rng = kind(name), np.random.default_rng(0)
    hosts = images[64:128] if name == "average" else images[300:]  # a condition is blended of two train people
    found = check.matches(made.copies(images[:COUNT], hosts, made.strengths[-1], rng))
    assert found.too_many and found.rate > 0.9
    assert 0.8 < found.lower < found.rate <= found.upper <= 1


@pytest.mark.slow
def test_neither_strangers_nor_what_is_like_everybody_are_too_many(images: np.ndarray, check: CopyCheck) -> None:
    found = check.matches(images[300 : 300 + COUNT])
    assert not found.too_many and found.rate < 0.05 and found.upper > found.rate
    shrunk = 0.7 * images[:150].mean(axis=0) + 0.3 * images[300 : 300 + COUNT]
    vague = np.rint(shrunk).astype(np.uint8)
    near = check.looks[0].matcher.score(vague, check.looks[0].train).score
    assert np.median(near) > 1.2, "nearer to a train image than nineteen of twenty strangers"
    assert not check.matches(vague).too_many
    assert not check.matches(np.zeros((COUNT, 1, 32, 32), np.uint8)).too_many


@pytest.mark.slow
def test_innocent_samples_alarm_no_more_often_than_the_level(images: np.ndarray) -> None:
    alarms, rounds = 0, 60
    for seed in range(rounds):
        rows = np.random.default_rng(seed).permutation(len(images))
        found = check_of(images, rows[:80], rows[80:180], FAST).matches(images[rows[180 : 180 + COUNT]])
        alarms += found.too_many
    assert clopper_pearson_lower(alarms, rounds) <= LEVEL


def test_the_check_follows_from_seed_and_images(images: np.ndarray) -> None:
    one, two = (check_of(images, np.arange(60), np.arange(60, 100), FAST) for _ in range(2))
    assert one.limit == two.limit and (one.score(images[100:110]) == two.score(images[100:110])).all()


class Blind:
    """A matcher that cannot tell of any query that is not black."""

    def score(self, queries: np.ndarray, gallery: Any, own: np.ndarray | None = None) -> Scores:
        dark = (queries == 0).all(axis=(1, 2, 3))
        return Scores(np.where(dark, 0.0, np.nan).astype(np.float32), np.zeros(len(queries), np.int64))


def test_a_sample_of_which_a_matcher_cannot_tell_is_a_match() -> None:
    test = plan(8, 50, 0.05)
    found = CopyCheck((Look(Blind(), None, None, Scale.plain(1)),), 1.0, test)
    images = np.zeros((8, 1, 4, 4), np.uint8)
    assert found.matches(images).rate == 0
    images[:2] = 9
    assert found.matches(images).rate == 0.25
    with pytest.raises(ValueError, match="8 samples"):
        found.matches(images[:4])


def test_images_that_a_matcher_cannot_take_are_named(images: np.ndarray) -> None:
    with pytest.raises(InputError, match="mixtures") as caught:
        check_of(images[:, :, :, :20], np.arange(20), np.arange(20, 40), ("mixtures",))
    assert caught.value.where == "[diffusion] monitor_matchers"


def test_twins_are_no_strangers(images: np.ndarray) -> None:
    """Of 100 held-out people 40 are train people under other ids, in the same picture or nearly."""
    plain = check_of(images, np.arange(150), np.arange(210, 250), FAST)
    twins = images[:40].copy()
    twins[:, :, :2] = np.clip(twins[:, :, :2].astype(int) + 3, 0, 255).astype(np.uint8)
    twins[:20] = images[:20]
    mixed = np.concatenate([images[:150], twins, images[210:250]])
    check = check_of(mixed, np.arange(150), np.arange(150, 230), FAST)
    assert check.test == plain.test == plan(COUNT, 40, 0.05) and check.limit == plain.limit
    assert (check.score(images[:COUNT]) > check.limit).all(), "and copies of the twins are seen"


def test_where_all_strangers_are_twins_there_is_no_check(images: np.ndarray) -> None:
    people, other = (People(images[:20], np.array([f"{name}{row}" for row in range(20)])) for name in "ab")
    assert CopyCheck.fit(people, other, matchers=FAST, count=COUNT, rate=0.05, seed=0, device=CPU) is None


def test_a_stranger_of_whom_a_matcher_cannot_tell_sets_no_limit(
    images: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = check_of(images, np.arange(60), np.arange(60, 100), FAST)
    whole, odd = plain.looks[0].matcher.score, images[99]

    def score(self: Any, queries: np.ndarray, *rest: Any) -> Scores:
        found = whole(queries, *rest)
        lost = (queries == odd).all(axis=(1, 2, 3))
        return Scores(np.where(lost, np.nan, found.score).astype(np.float32), found.nearest)

    monkeypatch.setattr(type(plain.looks[0].matcher), "score", score)
    check = check_of(images, np.arange(60), np.arange(60, 100), FAST)
    assert np.isfinite(check.limit) and check.test == plan(COUNT, 39, 0.05)
    assert np.isinf(check.score(odd[None])).all()


def held(gallery: Any) -> int:
    """Bytes of the tensors and arrays of a gallery."""
    if isinstance(gallery, torch.Tensor):
        return gallery.untyped_storage().nbytes()
    if is_dataclass(gallery):
        return sum(held(getattr(gallery, each.name)) for each in fields(gallery))
    if isinstance(gallery, (tuple, list)):
        return sum(map(held, gallery))
    return gallery.nbytes if isinstance(gallery, np.ndarray) else 0


@pytest.mark.slow
def test_the_memory_that_is_said_is_not_less_than_is_held() -> None:
    images = np.random.default_rng(0).integers(0, 256, (128, 1, 64, 64), dtype=np.uint8)
    check = check_of(images, np.arange(96), np.arange(96, 128), DiffusionConfig().monitor_matchers)
    kept, _ = CopyCheck.memory(128, COUNT)
    found = sum(held(gallery) for look in check.looks for gallery in (look.train, look.strangers))
    assert 0.2 * kept < found <= kept and kept == 128 * REFERENCE_BYTES
    for look in check.looks:
        with _Watch(torch.nn.Identity()) as few:
            look.score(images[:8])
        with _Watch(torch.nn.Identity()) as many:
            look.score(images[:40])
        assert many.peak - few.peak <= 32 * (QUERY_BYTES + 12 * 96)
