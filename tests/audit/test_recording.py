"""Which confidence an attempt has, and what an audit may do before and after the seal is opened."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from unpersonal.audit.attempts import LEDGER, Ledger
from unpersonal.audit.config import AuditConfig
from unpersonal.audit.figures import AuditFigures
from unpersonal.audit.recording import Recording, hash_of_images, record
from unpersonal.release.attempted import attempts_statement

PASSED = AuditFigures(
    verdict="pass",
    reasons=(),
    notes=(),
    advantage=0.0,
    advantage_upper=0.03,
    policy_upper=0.05,
    profile="open",
    tests=(),
)


def recording(path: Path, seed: int = 0, sealed: float = 0.0, release: str = "r", **how: Any) -> Recording:
    given = {"people": "p", "release": release, "seed": seed, **how}
    return record(Ledger(path / LEDGER), AuditConfig(sealed=sealed), **given)


def test_the_confidence_grows_with_the_attempts(tmp_path: Path) -> None:
    found = [recording(tmp_path, seed) for seed in (0, 1, 2, 0)]
    assert [each.config.confidence for each in found] == pytest.approx([0.955, 0.9975, 1 - 0.005 / 6, 0.955])
    assert [each.alpha for each in found] == pytest.approx([0.045, 0.0025, 0.005 / 6, 0.045])
    assert found[0].seal == "none" and found[1].end(PASSED).verdict == "pass"
    told = found[2].end(PASSED).attempts
    assert told is not None and told.attempts == 3 and told.alpha == found[2].alpha


def test_whatever_decides_the_verdict_makes_another_attempt(tmp_path: Path) -> None:
    for how in ({}, {"policy": 1}, {"people": "q"}, {"release": "s"}, {"sealed": 0.5}):
        recording(tmp_path, **how)
    assert len(Ledger(tmp_path / LEDGER).links()) == 5


def test_before_the_seal_is_opened_nothing_passes(tmp_path: Path) -> None:
    first = recording(tmp_path, sealed=0.5)
    assert first.seal == "closed" and first.end(PASSED).verdict == "inconclusive"
    last = recording(tmp_path, sealed=0.5, final=True)
    assert last.seal == "open" and last.end(PASSED).verdict == "pass"
    assert recording(tmp_path, sealed=0.5, final=True).seal == "open"
    other = recording(tmp_path, sealed=0.5, final=True, release="other")
    assert other.seal == "spent" and other.end(PASSED).verdict == "inconclusive"
    assert recording(tmp_path, final=True).seal == "none"


def test_images_are_known_by_their_pixels_whatever_their_order() -> None:
    images = np.random.default_rng(0).integers(0, 255, (4, 1, 8, 8), dtype=np.uint8)
    assert hash_of_images(images) == hash_of_images(images[::-1]) != hash_of_images(images[:3])
    assert hash_of_images(images[:2], images[2:]) != hash_of_images(images)
    assert hash_of_images(images) != hash_of_images(images.reshape(4, 1, 4, 16))


@pytest.mark.parametrize("first", [0.5, 0.3, 0.0])
def test_the_card_says_that_nobody_had_seen_the_sealed_people_only_where_nobody_had(
    tmp_path: Path, first: float
) -> None:
    recording(tmp_path, sealed=first).end(PASSED)
    last = recording(tmp_path, sealed=0.5, final=True)
    assert last.seal == "open"
    assert ("no audit before had seen" in attempts_statement(last.end(PASSED))) is (first == 0.5)
