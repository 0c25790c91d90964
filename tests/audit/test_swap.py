from dataclasses import replace

import numpy as np
import pytest

from unpersonal.audit.config import AuditConfig
from unpersonal.audit.images import SubjectImages
from unpersonal.audit.profiles import PROFILES
from unpersonal.audit.swap import SwapResult, SwapSide, _shared, audit_swap
from unpersonal.audit.swap_joined import PROCEDURE
from unpersonal.core.errors import InputError

pytestmark = pytest.mark.slow
CONFIG = AuditConfig(
    size=16, components=16, permutations=999, network_steps=20, kind_copies=5, planted_copies=20, placebo_images=60
)


def part(phantoms: tuple[np.ndarray, ...], first: int, last: int) -> SubjectImages:
    images, subjects, _ = phantoms
    rows = np.flatnonzero(np.isin(subjects, np.unique(subjects)[first:last]))
    return SubjectImages(images[rows], subjects[rows])


def swapped(phantoms: tuple[np.ndarray, ...], *, leaks: bool) -> SwapResult:
    """Two halves of 80 people, 160 others as auditor's own, and releases of copies or of people never seen."""
    halves = part(phantoms, 0, 80), part(phantoms, 80, 160)
    fresh = part(phantoms, 320, 360), part(phantoms, 360, 400)
    made = [half.images[:40] if leaks else other.images[:40] for half, other in zip(halves, fresh, strict=True)]
    sides = [SwapSide(half, np.ascontiguousarray(images)) for half, images in zip(halves, made, strict=True)]
    return audit_swap(
        sides[0], sides[1], part(phantoms, 160, 320), config=CONFIG, seed=3, profile=PROFILES["agreement"]
    )


@pytest.fixture(scope="module")
def clean(phantoms: tuple[np.ndarray, ...]) -> SwapResult:
    return swapped(phantoms, leaks=False)


def test_a_clean_procedure_does_not_fail_and_the_claim_says_what_was_audited(clean: SwapResult) -> None:
    figures = clean.figures
    assert figures.verdict != "fail"
    assert figures.claim is not None and PROCEDURE in figures.claim
    assert figures.swap is not None and figures.swap.people == figures.train_subjects == 160
    assert figures.swap.first_released == figures.swap.second_released == 40


def test_paired_bounds_are_narrower_than_those_of_either_game(clean: SwapResult) -> None:
    assert clean.figures.swap is not None
    paired = {row.name: row.auroc_upper - row.auroc for row in clean.figures.swap.membership}
    for game in clean.games:
        alone = {row.name: row.auroc_upper - row.auroc for row in game.figures.membership or ()}
        assert paired.keys() == alone.keys() and paired
        assert np.mean([paired[name] / alone[name] for name in paired if alone[name] > 0]) < 0.8


def test_the_least_leak_is_that_of_the_game_that_sees_less(clean: SwapResult) -> None:
    least, games = clean.figures.detectable, [game.figures.detectable for game in clean.games]
    assert least is not None and all(game is not None for game in games)
    seen = [{row.kind: row.seen_lower for row in game.kinds} for game in games if game is not None]
    assert {row.kind: row.seen_lower for row in least.kinds} == {
        kind: min(game[kind] for game in seen) for kind in seen[0]
    }
    assert set(least.blind) == {kind for game in games if game is not None for kind in game.blind}
    assert clean.figures.claim is not None and "it would have found" in clean.figures.claim


def test_people_of_both_halves_are_counted_once(clean: SwapResult) -> None:
    (row,) = [row for row in clean.figures.primary or () if row.name == "isolated people"]
    games = [{each.name: each for each in game.figures.isolation or ()} for game in clean.games]
    each = [game[row.attack].isolated for game in games]
    assert row.value == pytest.approx(np.mean(each))
    assert row.upper < max(game[row.attack].isolated_upper for game in games)


def test_a_procedure_that_copies_fails(phantoms: tuple[np.ndarray, ...]) -> None:
    result = swapped(phantoms, leaks=True)
    assert result.verdict == "fail" and result.figures.reasons


def test_halves_of_different_size_are_refused(phantoms: tuple[np.ndarray, ...]) -> None:
    sides = [SwapSide(part(phantoms, *given), phantoms[0][:4]) for given in ((0, 60), (60, 90))]
    with pytest.raises(InputError, match="60 and 30 people"):
        audit_swap(sides[0], sides[1], part(phantoms, 160, 320), seed=0)


@pytest.mark.parametrize("again", [False, True])
def test_one_release_in_both_places_is_told(phantoms: tuple[np.ndarray, ...], again: bool) -> None:
    halves = [SwapSide(part(phantoms, *given), part(phantoms, 320, 400).images) for given in ((0, 80), (80, 160))]
    other = part(phantoms, 240, 320).images
    saved = np.clip(halves[0].released.astype(int) + 1, 0, 255).astype(np.uint8)
    second = replace(halves[1], released=saved if again else other)
    assert bool(_shared(halves[0], second, part(phantoms, 160, 240))) is again
