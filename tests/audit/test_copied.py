"""Copied people are found one by one, dropped in a study, and fail a finished release."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

import numpy as np
import pytest

from unpersonal.audit.background import Background
from unpersonal.audit.config import AuditConfig
from unpersonal.audit.copied import IDENTICAL, confirmed, identical_subjects, search_copied
from unpersonal.audit.copied_figures import Detectable
from unpersonal.audit.detectable import least_persons, measure_detectable
from unpersonal.audit.dropping import copied_rows, leak_claim, search_release
from unpersonal.audit.enrolled import Naming
from unpersonal.audit.images import SubjectImages
from unpersonal.audit.recall import plant_kinds
from unpersonal.audit.target import Target, make_target
from unpersonal.matching.kinds import kind

CONFIG = AuditConfig(permutations=999, network_steps=20, kind_copies=60)
RELEASED = 100


@dataclass(frozen=True)
class Game:
    """People of an audit, and innocent images: other people."""

    target: Target
    network: SubjectImages
    certify: SubjectImages
    innocent: np.ndarray
    train: np.ndarray
    control: np.ndarray

    def fresh(self) -> Target:
        """The target with its galleries, before any release was matched."""
        target = Target(
            **{item.name: getattr(self.target, item.name) for item in fields(Target) if not item.name.startswith("_")}
        )
        target._enrolled.extend(self.target.enrolled(self.background(self.innocent)))
        return target

    def background(self, released: np.ndarray) -> Background:
        """With a release."""
        return Background(released, self.network, self.certify, self.target.side, CONFIG, seed=1)


@pytest.fixture(scope="module")
def game(phantoms: tuple[np.ndarray, ...]) -> Game:
    images, subjects, _ = phantoms
    cuts = np.split(np.random.default_rng(2).permutation(np.unique(subjects)), [80, 160, 210, 300])
    rows = [np.flatnonzero(np.isin(subjects, names)) for names in cuts]
    train, control, network, certify, fresh = (SubjectImages(images[chosen], subjects[chosen]) for chosen in rows)
    target = make_target(train, control, CONFIG, seed=1)
    return Game(target, network, certify, fresh.images[:RELEASED], train.images, control.images)


def with_copies(game: Game, copies: np.ndarray) -> np.ndarray:
    return np.concatenate([copies, game.innocent[: RELEASED - len(copies)]])


@pytest.mark.slow
def test_innocent_images_are_no_findings(game: Game) -> None:
    background = game.background(game.innocent)
    target = game.fresh()
    found = search_copied(background, target)
    assert found.findings == () and not found.figures.found and found.figures.carried and not found.control
    assert all(row.known >= 100 and row.closeness and row.margin for row in found.figures.matchers)
    searched = search_release(background, target, drops=False)
    assert searched.failures == () and searched.shortfalls == () and searched.background is background


@pytest.mark.slow
@pytest.mark.parametrize("name, strength", [("exact", 1), ("mirror", 1), ("polarity", 1), ("jpeg", 50)])
def test_one_copied_person_is_a_finding(game: Game, name: str, strength: float) -> None:
    copy = kind(name).copies(game.train[30:31], game.certify.images, strength, np.random.default_rng(0))
    searched = search_release(game.background(with_copies(game, copy)), game.fresh(), drops=False)
    assert [finding.released for finding in searched.search.findings] == [0]
    assert copied_rows(searched)["dropped"] == () and len(searched.failures) == 1
    (pair,) = copied_rows(searched)["copied"]
    assert game.target.subjects[pair["train"]] == game.target.subjects[30]
    figures = searched.copied.to_json()
    assert figures["found"] is True and figures["images"] == figures["people"] == "<5" and "dropped" not in figures


@pytest.mark.slow
def test_identical_copies_of_one_person_are_one_person_and_are_dropped_together(game: Game) -> None:
    copies = np.repeat(game.train[10:11], 5, axis=0)
    background = game.background(with_copies(game, copies))
    target = game.fresh()
    searched = search_release(background, target, drops=True)
    assert searched.search.pictures.tolist() == [0, 1, 2, 3, 4]
    assert len({finding.subject for finding in searched.search.findings}) == 1
    assert {finding.matcher for finding in searched.search.findings} == {IDENTICAL}
    assert searched.copied.images == searched.copied.dropped == 5 and searched.copied.people == "<5"
    assert searched.copied.repeats.largest == 5 and len(searched.notes) == 1
    assert "did not work" in searched.failures[0], "more than one in a hundred"
    np.testing.assert_array_equal(searched.background.released, background.released[5:])
    assert searched.background.picture_of.tolist() == list(range(RELEASED - 5))
    for name, naming in searched.target.namings(searched.background).items():
        np.testing.assert_array_equal(naming.subject, target.namings(background)[name].subject[5:])
    again = search_release(searched.background, searched.target, drops=True)
    assert not again.copied.found


@pytest.mark.slow
def test_copies_of_control_people_are_no_findings_and_say_that_control_is_none(game: Game) -> None:
    searched = search_release(game.background(with_copies(game, game.control[:3])), game.fresh(), drops=False)
    assert searched.failures == () and searched.search.control
    assert any("copies of control subjects" in reason for reason in searched.shortfalls)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["half", "mirror"])
def test_copies_of_control_people_do_not_hide_those_of_train_people(game: Game, name: str) -> None:
    """Among the values by which limits are found they had raised these until nobody was found."""
    given = kind(name), np.random.default_rng(5)
    hosts = game.innocent[50:]
    copies, others = (
        given[0].copies(side[:8], hosts, given[0].strengths[0], given[1]) for side in (game.train, game.control)
    )
    alone = search_copied(game.background(with_copies(game, copies)), game.fresh())
    beside = search_copied(game.background(with_copies(game, np.concatenate([copies, others]))), game.fresh())
    assert len(alone.findings) >= 4 and len(beside.findings) >= len(alone.findings) - 2
    assert beside.control and not alone.control


def test_an_identical_picture_counts_unless_somebody_else_has_it(game: Game) -> None:
    background = game.background(game.innocent)
    shown = np.concatenate([game.train[5:6], game.train[5:6] ^ 1, game.control[:1], game.certify.images[:1]])
    names = np.unique(game.target.subjects)
    found = identical_subjects(shown, background, game.target)
    assert names[found[0]] == game.target.subjects[5] and found[1:].tolist() == [-1, -1, -1]
    both = replace(background, certify=SubjectImages(game.train[5:6], np.array(["somebody"])))
    assert identical_subjects(game.train[5:6], both, game.target).tolist() == [-1]


def test_the_least_number_of_people_is_the_smallest_that_is_enough() -> None:
    assert [least_persons(lower) for lower in (0.95, 0.9, 0.5, 0.1, 0.0)] == [1, 2, 5, 29, None]
    assert least_persons(0.00301) == 994 and least_persons(0.0029) is None
    for lower in np.linspace(0.004, 0.949, 50):
        least = least_persons(float(lower))
        assert least is not None and 1 - (1 - lower) ** least >= 0.95 > 1 - (1 - lower) ** (least - 1)


@pytest.mark.slow
def test_what_is_said_to_be_found_is_found_in_planted_releases(game: Game) -> None:
    """Releases with as many copies as the figures say, of other people than those who gave the figures."""
    background = game.background(game.innocent)
    target = game.fresh()
    search = search_copied(background, target)
    found = measure_detectable(background, target, plant_kinds(background, target), search.limits)
    rows = {row.kind: row for row in found.kinds}
    for name in ("exact", "mirror", "polarity"):
        assert rows[name].persons == 1 and rows[name].images == 1, rows[name]
    assert set(found.blind) == {row.kind for row in found.kinds if row.persons is None}
    told = leak_claim(found)
    assert all(name in told for name in found.blind)
    least = rows["half"].persons
    assert least is not None
    rng, hits = np.random.default_rng(3), 0
    for _ in range(6):
        chosen = game.train[rng.permutation(len(game.train))[:least]]
        copies = kind("half").copies(chosen, game.certify.images, 0.5, rng)
        hits += search_copied(game.background(with_copies(game, copies)), game.fresh()).figures.found
    assert hits >= 5


def test_a_claim_without_any_kind_that_is_seen() -> None:
    assert "no number of copied people" in leak_claim(Detectable(power=0.95, persons=None, blind=(), kinds=()))


def test_the_network_is_believed_where_a_closed_form_names_the_same_person() -> None:
    def named(*subjects: int) -> Naming:
        return Naming(np.array(subjects), np.zeros(len(subjects)), np.zeros(0))

    namings = {"poses": named(1, 2, 3), "parts": named(4, 2, 5), "learned": named(4, 2, 9)}
    assert confirmed("poses", namings).tolist() == [True, True, True]
    assert confirmed("learned", namings).tolist() == [True, True, False]
    assert confirmed("learned", {"learned": named(1)}).tolist() == [False]
