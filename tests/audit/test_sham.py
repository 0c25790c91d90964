"""What makes train and control incomparable."""

from __future__ import annotations

import numpy as np
import pytest

from unpersonal.audit import sham as sham_module
from unpersonal.audit.attack import Guesses, SubjectScores
from unpersonal.audit.background import Background
from unpersonal.audit.config import AuditConfig
from unpersonal.audit.family import Family, FittedEntry, Results
from unpersonal.audit.images import SubjectImages
from unpersonal.audit.sham import exchange_shortfalls, guesses_p, measure_sham, play_sham
from unpersonal.audit.target import make_target


def people(name: str, count: int, images: int) -> SubjectImages:
    subjects = np.repeat([f"{name}{number}" for number in range(count)], images)
    return SubjectImages(np.zeros((len(subjects), 1, 8, 8), np.uint8), subjects, ["a"] * len(subjects))


@pytest.mark.parametrize(("several", "exchanged"), [(0, 1.0), (30, 0.25), (35, 0.125), (40, 0.0)])
def test_people_with_nobody_alike_on_the_other_side_are_never_exchanged(several: int, exchanged: float) -> None:
    one, more = people("t", 40 - several, 1), people("u", several, 3)
    train = SubjectImages(
        np.concatenate([one.images, more.images]),
        np.concatenate([one.subjects, more.subjects]),
        [*one.label_sets(), *more.label_sets()],
    )
    target = make_target(train, people("c", 40, 1), AuditConfig(permutations=999), 0)
    assert target.exchanged == pytest.approx(exchanged)
    assert bool(exchange_shortfalls(target.exchanged)) is (several > 30)


def labelled(name: str, count: int) -> SubjectImages:
    rng = np.random.default_rng(len(name))
    subjects = np.array([f"{name}{number}" for number in range(count)])
    images = rng.integers(0, 256, (count, 1, 8, 8), dtype=np.uint8)
    return SubjectImages(images, subjects, ["ab"[number % 2] for number in range(count)])


def test_the_sham_release_has_the_labels_of_the_people_on_it(monkeypatch: pytest.MonkeyPatch) -> None:
    config = AuditConfig(permutations=999)
    certify, released = labelled("z", 12), np.zeros((7, 1, 8, 8), np.uint8)
    background = Background(released, labelled("yy", 12), certify, 30, config, 0, released_labels=(("b",),) * 7)
    target = make_target(labelled("t", 30), labelled("cc", 30), config, 0)
    given: list[Background] = []
    right = target.train.astype(float)

    def fit(name: str, sham: Background, labels: bool) -> FittedEntry:
        given.append(sham)
        return FittedEntry(name, None)

    def found(guesses: list[Guesses]) -> Family:
        scores = Results((SubjectScores(np.random.default_rng(1).normal(size=60)),), ("s",), 1)
        names = tuple("g" for _ in guesses)
        return Family(scores, Results((), (), 0), Results(tuple(guesses), names, len(guesses)), (), ())

    monkeypatch.setattr(sham_module, "fit_attack", fit)
    told = []
    for guesses in ([], [Guesses(right)], [Guesses(np.full(60, 0.5))]):
        monkeypatch.setattr(sham_module, "run_attacks", lambda *_, guesses=guesses: found(guesses))
        blank = target.with_release()
        images, family = play_sham(background, blank, [FittedEntry("inference-label", None)], labels=True)
        told.append(measure_sham(background, blank, images, family))
        assert images == 7
    assert all(sham.released_labels == tuple(certify.label_sets()[:7]) for sham in given)
    assert all(np.array_equal(sham.released, certify.images[:7]) for sham in given)
    alone, differing, alike = told
    assert alone is not None and differing is not None and alike is not None
    assert not alone.difference and differing.difference and differing.attacks == 2
    # half of the error is for either sort of attack
    assert alike.p == pytest.approx(min(1.0, 2.0 * alone.p))


def test_guesses_are_compared_on_both_sides() -> None:
    train = np.repeat([True, False], 50)
    rng = np.random.default_rng(0)
    noise = Guesses(rng.random(100))
    assert guesses_p([], train) is None and guesses_p([Guesses(np.full(100, np.nan))], train) is None
    assert guesses_p([noise], train) == pytest.approx(min(1.0, guesses_p([noise, noise], train) / 2), rel=0.01)
    for sign in (1.0, -1.0):
        assert guesses_p([Guesses(0.5 + sign * 0.3 * (train - 0.5) + 0.1 * rng.random(100))], train) < 1e-6
