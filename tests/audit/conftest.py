"""The people of whom the small audits are made."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from unpersonal.audit import target
from unpersonal.audit.enrolled import Enrolled, Naming, enrol
from unpersonal.phantom import phantom_cohort


@pytest.fixture(scope="session")
def phantoms() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    images, subjects, labels = phantom_cohort(400, 5, 32, findings=("No Finding", "Pleural Effusion", "Cardiomegaly"))
    return images, np.asarray(subjects), np.asarray(labels)


@pytest.fixture(scope="package", autouse=True)
def scored_once() -> Iterator[None]:
    """Dozens of audits here are of the same people: what matchers say of the same pictures is computed once."""
    galleries: dict[Any, Enrolled] = {}
    namings: dict[Any, Naming] = {}
    seconds: dict[Any, np.ndarray] = {}
    names, runners_up = Enrolled.names, Enrolled.runners_up

    def digest(*arrays: np.ndarray) -> str:
        return hashlib.sha256(b"\x1f".join(np.ascontiguousarray(array).tobytes() for array in arrays)).hexdigest()

    def enrolled(fitted: Any, images: np.ndarray, subjects: np.ndarray, strangers: Any) -> Enrolled:
        # each is kept with its matcher, so that no other gets its number
        key = id(fitted.matcher), digest(images, subjects, strangers.images, strangers.subjects)
        if key not in galleries:
            galleries[key] = enrol(fitted, images, subjects, strangers)
        return galleries[key]

    def named(self: Enrolled, images: np.ndarray) -> Naming:
        key = id(self.gallery), digest(images)
        if key not in namings:
            namings[key] = names(self, images)
        return namings[key]

    def second(self: Enrolled, images: np.ndarray, subject: np.ndarray) -> np.ndarray:
        key = id(self.gallery), digest(images, subject)
        if key not in seconds:
            seconds[key] = runners_up(self, images, subject)
        return seconds[key]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(target, "enrol", enrolled)
        patch.setattr(Enrolled, "names", named)
        patch.setattr(Enrolled, "runners_up", second)
        yield
