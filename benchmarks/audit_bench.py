"""Many audits for the price of few: what the tables of `audit_power` share between repetitions.

One pool of people. A fixed part of it is auxiliary; on its `network` half matchers and spaces are fitted once, its
other half certifies. `gallery` people are dealt anew into train and control for every audit, so that the gallery, as a
set, is always the same and every picture is matched once. Releases are dealt from pictures of people who are in neither
side.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import pandas as pd

from unpersonal.audit import background as background_module
from unpersonal.audit.background import Background
from unpersonal.audit.config import AuditConfig
from unpersonal.audit.evaluate import audit_images
from unpersonal.audit.figures import AuditFigures
from unpersonal.audit.images import SubjectImages
from unpersonal.audit.matchers import NamedMatcher, fit_matchers
from unpersonal.audit.profiles import PROFILES
from unpersonal.audit.registry import ATTACKS
from unpersonal.audit.spaces import Space, fit_space
from unpersonal.core.hashing import sha256_bytes
from unpersonal.matching.base import Matcher, Scores
from unpersonal.phantom import phantom_cohort

LEFT_OUT = "was left out"
"""Part of the reason that an audit gives for an attack that it did not run."""


@dataclass(frozen=True)
class _Kept:
    """A gallery that is shared by all that enrol the same pictures, in whatever order."""

    gallery: Any
    rows: np.ndarray
    """Place of each row of `gallery` among the rows that were given."""
    key: str
    ordered: Callable[[], Any]
    """Enrols them in the order in which they were given, for who looks into the matcher's own gallery."""

    def __getattr__(self, name: str) -> Any:
        return getattr(self.ordered(), name)


@dataclass(frozen=True)
class Remembering:
    """A matcher that scores a picture against the same people once, in whatever order these are enrolled.

    The score of a query depends on the query and the gallery alone (`matching.base.Matcher`).
    """

    matcher: Matcher[Any]
    _galleries: dict[str, Any] = field(default_factory=dict, repr=False)
    _scores: dict[tuple[str, str, str], tuple[float, int]] = field(default_factory=dict, repr=False)

    def enrol(self, images: np.ndarray, subjects: np.ndarray) -> _Kept:
        """See `Matcher.enrol`."""
        names = np.asarray(subjects).astype(str)
        digests = [sha256_bytes(np.ascontiguousarray(image).tobytes()) for image in images]
        rows = np.array(sorted(range(len(names)), key=lambda row: (names[row], digests[row])))
        key = sha256_bytes("\x1f".join(names[row] + digests[row] for row in rows).encode())
        if key not in self._galleries:
            self._galleries[key] = self.matcher.enrol(np.ascontiguousarray(images[rows]), names[rows])
        return _Kept(self._galleries[key], rows, key, lambda: self.matcher.enrol(np.ascontiguousarray(images), names))

    def __getattr__(self, name: str) -> Any:
        return getattr(self.matcher, name)

    def score(self, queries: np.ndarray, gallery: _Kept, own: np.ndarray | None = None) -> Scores:
        """See `Matcher.score`; does not say how."""
        left_out = [""] * len(queries) if own is None else [str(name) for name in own]
        digests = [sha256_bytes(np.ascontiguousarray(query).tobytes()) for query in queries]
        keys = [(gallery.key, digest, name) for digest, name in zip(digests, left_out, strict=True)]
        missing = {key: number for number, key in enumerate(keys) if key not in self._scores}
        if missing:
            numbers = np.array(list(missing.values()))
            only = None if own is None else np.asarray(own)[numbers]
            found = self.matcher.score(np.ascontiguousarray(queries[numbers]), gallery.gallery, only)
            self._scores.update(
                zip(missing, zip(found.score.tolist(), found.nearest.tolist(), strict=True), strict=True)
            )
        known = [self._scores[key] for key in keys]
        nearest = np.array([row for _, row in known], dtype=np.int64)
        return Scores(np.array([score for score, _ in known], np.float32), gallery.rows[nearest])


@dataclass(frozen=True)
class Pool:
    """Images uint8 [n,C,S,S], whose they are (str [n]), and their labels."""

    images: np.ndarray
    subjects: np.ndarray
    labels: Sequence[Sequence[str]]

    @classmethod
    def phantom(cls, people: int, *, seed: int, size: int, stream: str = "cohort") -> Pool:
        """Phantoms; those of the stream `fresh` are other people."""
        images, subjects, labels = phantom_cohort(people, seed=seed, size=size, stream=stream)
        return cls(
            images, np.array(subjects, dtype=str), [[label] if isinstance(label, str) else label for label in labels]
        )

    @classmethod
    def prepared(cls, study: Path) -> Pool:
        """The cohort of a study whose images are stored (`unpersonal run STUDY --until encode`)."""
        table = pd.read_parquet(study / "cohort.parquet", columns=["subject", "labels"])
        images = np.load(study / "store" / "images.npy", mmap_mode="r")
        labels = [[str(label) for label in row] for row in table["labels"]]
        return cls(images, table["subject"].to_numpy(dtype=str), labels)

    @cached_property
    def people(self) -> np.ndarray:
        """Their names, str [S]."""
        return np.unique(self.subjects)

    def of(self, people: np.ndarray) -> SubjectImages:
        """All images of some of them."""
        rows = np.flatnonzero(np.isin(self.subjects, people))
        return SubjectImages(self.images[rows], self.subjects[rows], [list(self.labels[int(row)]) for row in rows])


def cheap(**changes: Any) -> AuditConfig:
    """Our attacks that train no network on the release; few plants, which decide nothing about these verdicts."""
    low = tuple(name for name in ATTACKS.own_names() if ATTACKS.get(name).needs.cost == "low")
    values = {"attacks": low, "permutations": 1_999, "kind_copies": 1, "planted_copies": 60, "placebo_images": 100}
    return AuditConfig(**(values | changes))


@dataclass(frozen=True)
class Bench:
    """Fixed auxiliary people; gallery people who are dealt anew; `spare` images, whose people are in no side."""

    pool: Pool
    auxiliary: tuple[SubjectImages, SubjectImages]
    gallery: np.ndarray
    spare: np.ndarray
    config: AuditConfig
    _fitted: dict[str, Any] = field(default_factory=dict, repr=False)

    @classmethod
    def of(cls, pool: Pool, side: int, *, auxiliary: int, config: AuditConfig, seed: int = 0) -> Bench:
        """Deal the pool's people: auxiliary ones, two sides, and the spare rest."""
        order = np.random.default_rng(seed).permutation(pool.people)
        if len(order) < auxiliary + 2 * side:
            raise SystemExit(f"{len(order)} people are too few for {auxiliary} auxiliary ones and two sides of {side}")
        aux, gallery, spare = np.split(order, [auxiliary, auxiliary + 2 * side])
        halves = pool.of(aux[: auxiliary // 2]), pool.of(aux[auxiliary // 2 :])
        rest = pool.of(spare)
        _, first = np.unique(rest.subjects, return_index=True)
        return cls(pool, halves, gallery, rest.images[first], config)

    def sides(self, rng: np.random.Generator) -> tuple[SubjectImages, SubjectImages]:
        """Train and control people, dealt anew from the gallery."""
        train, control = np.split(rng.permutation(self.gallery), 2)
        return self.pool.of(train), self.pool.of(control)

    def audit(
        self, train: SubjectImages, control: SubjectImages, released: np.ndarray, profile: str = "open"
    ) -> AuditFigures:
        """The audit of a release."""
        certify, network = self.auxiliary[1], self.auxiliary[0]
        with self.shared():
            found = audit_images(
                train, control, released, certify, network, config=self.config, seed=0, profile=PROFILES[profile]
            )
        return found.figures

    @contextmanager
    def shared(self) -> Iterator[None]:
        """Matchers and spaces are fitted once: their people, seed and settings are the same in every audit."""

        def matchers(people: SubjectImages, config: AuditConfig, seed: int) -> tuple[NamedMatcher, ...]:
            if "matchers" not in self._fitted:
                plain = fit_matchers(people, config, seed)
                self._fitted["matchers"] = tuple(NamedMatcher(each.name, Remembering(each.matcher)) for each in plain)
            kept: tuple[NamedMatcher, ...] = self._fitted["matchers"]
            return kept

        def space(kind: str, images: np.ndarray, *, size: int, components: int, seed: int) -> Space:
            key = f"{kind} {size} {components}"
            if key not in self._fitted:
                self._fitted[key] = fit_space(kind, images, size=size, components=components, seed=seed)
            kept: Space = self._fitted[key]
            return kept

        with (
            mock.patch.object(background_module, "fit_matchers", matchers),
            mock.patch.object(background_module, "fit_space", space),
        ):
            yield

    def background(self, released: np.ndarray) -> Background:
        """What an attacker has before train and control are read; within `shared`."""
        return Background(released, self.auxiliary[0], self.auxiliary[1], len(self.gallery) // 2, self.config, 0)


def verdict_of(figures: AuditFigures) -> str:
    """The verdict as if the attacks that these tables leave out had found nothing."""
    if figures.verdict != "inconclusive":
        return figures.verdict
    return "inconclusive" if any(LEFT_OUT not in reason for reason in figures.reasons) else "pass"
