"""A folder as a gallery: closed-form matchers, whose thresholds its own people set as strangers to each other.

Every person is scored, one image each, against the gallery without that person. Let k be how many of these n scores
reach that of a new picture. A matcher refuses where k < s, one s for all matchers. For a person drawn like those of the
gallery the n + 1 scores are exchangeable, so that a matcher refuses with probability s / (n + 1) at most (Vovk et al.,
Algorithmic Learning in a Random World, 2005), and the share of the n people who are among the s most alike of any
matcher estimates, leaving one out, how many strangers are refused by any. The largest s that keeps this share is taken.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from .core.errors import InputError
from .core.progress import progress_bar
from .core.seeds import derive_seed, numpy_rng
from .core.words import plural
from .judges.panel import Enrolled, named
from .matching.base import Scores
from .matching.registry import MATCHERS
from .matching.strangers import near_copies

if TYPE_CHECKING:
    import torch

    from .layouts.pictures import Pictures

CLOSED_FORMS = ("poses", "parts", "mixtures")
RATE = 0.05
"""Share of strangers that may be refused, all matchers together."""
LEAST_PEOPLE = 20
"""People without whom there is no threshold: even "more alike than all others" would mean little."""
MOST_STRANGERS = 2000
"""People who are scored, at most: one in 2,000 is as fine as anybody will ask."""
SAMPLED = 20
"""People whose own pictures show what an exact copy scores."""
CHUNK = 512
"""Pictures scored between two steps of the progress bar."""


@dataclass(frozen=True)
class MatchGallery:
    """People to compare with: matchers with their galleries of `subjects` [g], their thresholds, and strangers.

    `strangers` holds float32 [n] by matcher: what people score who are not in the gallery, or as if they were not.
    """

    panel: tuple[Enrolled, ...]
    subjects: np.ndarray
    thresholds: Mapping[str, float]
    strangers: Mapping[str, np.ndarray]
    notes: tuple[str, ...]
    blind: tuple[str, ...] | None


def folder_gallery(pictures: Pictures, rate: float, device: torch.device) -> MatchGallery:
    """The gallery of a folder's pictures; `rate` is the share of strangers that may be refused.

    Fewer than `LEAST_PEOPLE` people are an `InputError`.
    """
    people = len(set(pictures.subjects))
    if people < LEAST_PEOPLE:
        raise _too_few(people)
    subjects = pictures.subjects[pictures.picture]
    panel = tuple(_enrolled(name, pictures.views, subjects, device) for name in CLOSED_FORMS)
    strangers = pictures.take(one_picture_each(pictures.subjects))
    scores = {e.name: score_pictures(e, strangers, own=True).score for e in panel}
    same = _same_pictures(panel, scores, strangers)
    if (left := int((~same).sum())) < LEAST_PEOPLE:
        raise _too_few(left, " whose pictures are not also somebody else's")
    scores = {name: found[~same] for name, found in scores.items()}
    thresholds, refused = choose_thresholds(scores, rate)
    notes = tuple(_notes(people, len(pictures.names), left, refused, rate))
    return MatchGallery(panel, subjects, thresholds, scores, notes, None)


def one_picture_each(subjects: np.ndarray) -> np.ndarray:
    """Rows, ascending, of one picture of each of at most `MOST_STRANGERS` subjects [n]."""
    order = numpy_rng(0, "match", "strangers").permutation(len(subjects))
    _, first = np.unique(subjects[order].astype(str), return_index=True)
    rows: np.ndarray = np.sort(order[np.sort(first)[:MOST_STRANGERS]])
    return rows


def score_pictures(enrolled: Enrolled, pictures: Pictures, *, own: bool = False) -> Scores:
    """The best score of any view of each picture [n], and its gallery row; with `own`, without the subject's own."""
    views, subjects = pictures.views, pictures.subjects[pictures.picture]
    score, nearest = np.empty(len(views), np.float32), np.empty(len(views), np.int64)
    with named(enrolled.name), progress_bar(f"comparing ({enrolled.name})", len(views)) as bar:
        for start in range(0, len(views), CHUNK):
            part = slice(start, start + CHUNK)
            found = enrolled.score(views[part], subjects[part] if own else None)
            score[part], nearest[part] = found.score, found.nearest
            bar.advance(len(found.score))
    best = pictures.best(score)
    return Scores(score[best], nearest[best])


def choose_thresholds(scores: Mapping[str, np.ndarray], rate: float) -> tuple[dict[str, float], int]:
    """Thresholds by matcher from the strangers' scores [n] by matcher, and how many strangers are refused by any.

    That number is counted leaving each stranger out of the scores that it is compared with. It is at most `rate` of
    them, unless even the strictest thresholds, above all strangers, cost more.
    """
    ordered = {name: np.sort(np.where(np.isnan(found), np.inf, found))[::-1] for name, found in scores.items()}
    count = len(next(iter(ordered.values())))

    def refused(rank: int) -> int:
        among = [~(scores[name] < found[rank - 1]) for name, found in ordered.items()]
        return int(np.logical_or.reduce(among).sum())

    rank = 1
    while rank < count and refused(rank + 1) <= rate * count:
        rank += 1
    # a score equal to that of the stranger of this rank has one stranger too many beside it
    levels = {name: float(np.nextafter(found[rank - 1], np.float32(np.inf))) for name, found in ordered.items()}
    return levels, refused(rank)


def _enrolled(name: str, views: np.ndarray, subjects: np.ndarray, device: torch.device) -> Enrolled:
    part = MATCHERS.get(name)
    with named(name):
        matcher = part.fit(views, subjects, part.config(), seed=derive_seed(0, "match", name), device=device)
        return Enrolled(name, matcher, matcher.enrol(views, subjects))


def _same_pictures(panel: tuple[Enrolled, ...], scores: Mapping[str, np.ndarray], strangers: Pictures) -> np.ndarray:
    """bool [n]: strangers whose picture is somebody else's as well, by their `scores` without their own.

    One person under two names is no stranger: a threshold above such scores would let exact copies pass.
    """
    some = strangers.take(np.unique(np.linspace(0, len(strangers.names) - 1, SAMPLED).astype(np.int64)))
    same = np.zeros(len(strangers.names), dtype=bool)
    for e in panel:
        same |= near_copies(scores[e.name], score_pictures(e, some).score, scores[e.name])
    return same


def _notes(people: int, pictures: int, strangers: int, refused: int, rate: float) -> Iterator[str]:
    """What was compared, and what it costs people who are not in the gallery."""
    yield (
        f"Compared with {plural(people, 'person', 'people')} ({plural(pictures, 'picture')}) by "
        f"{', '.join(CLOSED_FORMS)}. {strangers:,} of them, each against the others, set the thresholds: about "
        f"{refused / strangers:.1%} of strangers are refused as well (1 in {strangers:,} is the finest step)."
    )
    if refused > rate * strangers:
        yield (
            f"That is more than the {rate:.1%} asked for: each of the {len(CLOSED_FORMS)} matchers refuses at least "
            f"the stranger most alike, which together is {refused / strangers:.1%}; a larger gallery lowers it."
        )
    if strangers < people <= MOST_STRANGERS:
        yield (
            f"{plural(people - strangers, 'person has', 'people have')} the same picture as somebody else in the "
            "gallery (one person under two names?), and set no threshold."
        )
    yield "Which kinds of copies are found is measured for a study, not for a folder."


def _too_few(people: int, which: str = "") -> InputError:
    return InputError(
        f"The gallery shows {plural(people, 'person', 'people')}{which}; {LEAST_PEOPLE} are needed to tell how alike "
        "strangers are",
        where="GALLERY",
        how="name a folder with more people, or a study",
    )
