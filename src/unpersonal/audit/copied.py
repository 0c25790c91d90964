"""Copied people, one by one: is a released image nearer to a train subject than innocent images come to anybody?

Every matcher names for each released image the likest subject of train and control together, so that the gallery does
not know who trained. The released images that are named after *control* subjects say how near images come that copy
nobody: as people are exchangeable, the same holds of innocent images named after train subjects, however many of either
there are. From them the limit is extrapolated (`tolerance.py`) beyond which no image of an innocent release lies with
probability 1 - `LEVEL`, all images, matchers and both values of `nearness.py` together. Where they are fewer than
`ENOUGH`, strangers stand beside them; these are real pictures, which come nearer to people than drawn ones do. Beside
that, a released image that is a train image pixel for pixel, and no image of anybody else, needs no statistics.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from ..core.hashing import sha256_bytes
from ..core.progress import progress_bar
from ..matching.strangers import NEAR_COPY, pick_strangers
from .background import Background
from .copied_figures import Copied, MatcherFinding
from .enrolled import Enrolled, Naming
from .matchers import LEARNED
from .nearness import VALUES, Ends, Nearness, ends_of, nearness
from .repeats import Repeats, find_repeats
from .result import masked
from .target import Target
from .tolerance import Tolerance, tolerance_limit

LEVEL = 0.05
"""Probability at most of any finding in a release that copies nobody."""
NETWORK_SHAPE = 0.1
"""Least Pareto shape of what the network's values exceed: its distances follow no power law that is known."""
ENOUGH = 200
"""Innocent released images that set the limits without strangers."""
ROUNDS = 10
"""Times that limits are found anew, at most, without the images that the last ones called copies."""
IDENTICAL = "identical"


@dataclass(frozen=True)
class Limits:
    """What a matcher's values must exceed, in the order of `VALUES`; None where too few values are known."""

    name: str
    ends: Ends
    values: tuple[Tolerance | None, ...]

    def close(self, score: np.ndarray) -> np.ndarray:
        """Whether images with these scores [q] exceed the limit of closeness, whoever is the runner-up, bool [q]."""
        limit = self.values[0]
        found: np.ndarray = -np.log(self.ends.distances(score)) > (limit.limit if limit else np.inf)
        return found

    def exceeded(self, near: Nearness) -> np.ndarray:
        """Whether each image of `near` is nearer to the subject named than an innocent one comes, bool [q]."""
        found = np.zeros(len(near.subject), dtype=bool)
        for value, limit in zip(near.values, self.values, strict=True):
            if limit is not None:
                found |= value > limit.limit
        return found


@dataclass(frozen=True)
class Finding:
    """A released picture and the train subject (number of the target) whom it is too near; `matcher` saw it first."""

    released: int
    subject: int
    matcher: str


@dataclass(frozen=True)
class Search:
    """Findings in a release, in the order of its pictures, and the limits by which they were found.

    `pictures` int64 are all that show somebody found: the findings and what repeats them.
    """

    findings: tuple[Finding, ...]
    pictures: np.ndarray
    limits: tuple[Limits, ...]
    figures: Copied
    control: bool
    """Whether any released image is nearly a copy of a control subject."""


@dataclass(frozen=True)
class Look:
    """What one matcher sees in m released images: the train subject found in each, int64 [m], -1 where none is; and
    which are nearly copies of control subjects, bool [m].
    """

    limits: Limits
    subject: np.ndarray
    control: np.ndarray


def search_copied(background: Background, target: Target) -> Search:
    """Look for every train subject in every released image."""
    strangers = np.array(background.certify.images[pick_strangers(background.certify.subjects)])
    repeats = find_repeats(background.released, background.picture_of, strangers)
    looks = []
    with progress_bar("audit (copied people)", len(background.matchers())) as bar:
        for each in target.enrolled(background):
            bar.note(each.name)
            looks.append(_look(background, target, each, strangers, repeats))
            bar.advance()
    found = {IDENTICAL: identical_subjects(background.released, background, target)}
    found |= {look.limits.name: look.subject for look in looks}
    findings = tuple(_findings(found, background.picture_of))
    pictures = repeats.beside(np.array([finding.released for finding in findings], dtype=np.int64))
    control = np.any([look.control for look in looks], axis=0)
    figures = Copied(
        found=bool(findings),
        images=masked(len(pictures)),
        people=masked(len({finding.subject for finding in findings})),
        identical=masked(_pictures(found[IDENTICAL] >= 0, background)),
        released=len(repeats.cluster),
        level=LEVEL,
        matchers=tuple(_row(look, background) for look in looks),
        carried=all(None not in look.limits.values for look in looks),
        control_images=masked(_pictures(control, background)),
        repeats=repeats.figures,
    )
    return Search(findings, pictures, tuple(look.limits for look in looks), figures, bool(control.any()))


def _pictures(views: np.ndarray, background: Background) -> int:
    """Of how many pictures some of these views (bool [m]) are."""
    return len(np.unique(background.picture_of[views]))


def _look(background: Background, target: Target, enrolled: Enrolled, strangers: np.ndarray, repeats: Repeats) -> Look:
    """The limits that strangers and images named after control subjects set, and what lies beyond them."""
    ends = ends_of(enrolled, target.images, background.seed)
    near = nearness(enrolled, np.array(background.released), target.namings(background)[enrolled.name], ends)
    others = nearness(enrolled, strangers, enrolled.others, ends)
    innocent = ~target.train[near.subject]
    control = innocent & (near.distance <= 1.0 - NEAR_COPY)
    # a picture that is there many times is known once
    eligible = innocent & ~control & np.isin(background.picture_of, repeats.first)
    tests = len(near.subject) * len(VALUES) * len(background.matchers())
    limits, outlying = _limits(enrolled.name, ends, others, near, eligible, LEVEL / tests)
    control |= innocent & outlying & confirmed(enrolled.name, target.namings(background))
    beyond = limits.exceeded(near) & confirmed(enrolled.name, target.namings(background))
    return Look(limits, np.where(target.train[near.subject] & beyond, near.subject, -1), control)


def _limits(
    name: str, ends: Ends, others: Nearness, near: Nearness, eligible: np.ndarray, probability: float
) -> tuple[Limits, np.ndarray]:
    """Limits by strangers and by `eligible` released images (bool [m]) that no limit so found calls a copy; and which
    images these limits call one, bool [m].

    It begins with strangers alone: copies of control people among the known values would hide copies of train people.
    """
    shape = NETWORK_SHAPE if name == LEARNED else 0.0
    known, tried = np.zeros_like(eligible), 0
    while True:
        values = near.values[:, known]
        if np.count_nonzero(known) < ENOUGH:
            values = np.concatenate([others.values, values], axis=1)
        limits = Limits(
            name,
            ends,
            tuple(tolerance_limit(row, probability, least_shape=shape) if ends.tell else None for row in values),
        )
        outlying = limits.exceeded(near)
        if np.array_equal(known, eligible & ~outlying) or tried == ROUNDS:
            return limits, outlying
        known, tried = eligible & ~outlying, tried + 1


def confirmed(name: str, namings: Mapping[str, Naming]) -> np.ndarray:
    """In which of q images a matcher may be believed, bool [q]: the network only where a closed form names the same.

    A network that few people trained has been seen to take one stranger in a thousand for somebody, far beyond what
    the others show.
    """
    subject = namings[name].subject
    if name != LEARNED:
        return np.ones(len(subject), dtype=bool)
    others = [naming.subject == subject for other, naming in namings.items() if other != LEARNED]
    found: np.ndarray = np.any(others, axis=0) if others else np.zeros(len(subject), dtype=bool)
    return found


def identical_subjects(images: np.ndarray, background: Background, target: Target) -> np.ndarray:
    """The train subject of whom an image uint8 [q,C,H,W] is a picture pixel for pixel, int64 [q].

    -1 where there is none, where the picture is one of somebody else's too, and where it is empty.
    """
    _, codes = np.unique(target.subjects, return_inverse=True)
    whose: dict[str, set[int]] = {}
    for image, code in zip(target.images, codes, strict=True):
        whose.setdefault(_digest(image), set()).add(int(code))
    elsewhere = {_digest(image) for people in (background.certify, background.network) for image in people.images}
    found = np.full(len(images), -1, dtype=np.int64)
    for row, image in enumerate(images):
        digest = _digest(image)
        subjects = whose.get(digest, set())
        if subjects and target.train[list(subjects)].all() and digest not in elsewhere and np.ptp(image):
            found[row] = min(subjects)
    return found


def _digest(image: np.ndarray) -> str:
    return sha256_bytes(np.ascontiguousarray(image).tobytes())


def _findings(found: dict[str, np.ndarray], picture_of: np.ndarray) -> list[Finding]:
    """One finding for each picture in which anybody was found, by the first that found somebody."""
    findings: dict[int, Finding] = {}
    for name, subjects in found.items():
        for row in np.flatnonzero(subjects >= 0):
            picture = int(picture_of[row])
            findings.setdefault(picture, Finding(picture, int(subjects[row]), name))
    return [findings[picture] for picture in sorted(findings)]


def _row(look: Look, background: Background) -> MatcherFinding:
    closeness, margin = look.limits.values
    return MatcherFinding(
        matcher=look.limits.name,
        images=masked(_pictures(look.subject >= 0, background)),
        known=closeness.known if closeness else 0,
        closeness=closeness.limit if closeness else None,
        margin=margin.limit if margin else None,
    )
