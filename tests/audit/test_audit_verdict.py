"""The whole audit on phantoms, where the truth is known."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace

import numpy as np
import pytest

from unpersonal.audit import AuditConfig, AuditResult, audit_images
from unpersonal.audit.distances import group, subject_distances
from unpersonal.audit.figures import AttackTest, MixtureRow, Placebo, Planted
from unpersonal.audit.planted import perturbed_copies
from unpersonal.audit.spaces import fit_space
from unpersonal.audit.verdict import claim, decide, rounded_up
from unpersonal.core.errors import InputError
from unpersonal.phantom import phantom_cohort
from unpersonal.release.evidence import evidence_problems, safe_evidence

CONFIG = AuditConfig(permutations=999, size=32, components=48, planted_copies=120)
SIDE = 450


@dataclass(frozen=True)
class Parts:
    """A phantom population divided into an audit's parts; `fresh` are images of people in no part."""

    train: tuple[np.ndarray, np.ndarray]
    control: tuple[np.ndarray, np.ndarray]
    auxiliary: tuple[np.ndarray, np.ndarray]
    fresh: np.ndarray


def divide(images: np.ndarray, names: np.ndarray, sizes: tuple[int, int, int], seed: int) -> Parts:
    order = np.random.default_rng(seed).permutation(np.unique(names))
    cuts = np.split(order, np.cumsum(sizes))
    rows = [np.flatnonzero(np.isin(names, cut)) for cut in cuts]
    train, control, auxiliary = ((images[r], names[r]) for r in rows[:3])
    return Parts(train, control, auxiliary, images[rows[3]])


@pytest.fixture(scope="module")
def population() -> tuple[np.ndarray, np.ndarray]:
    images, subjects, _ = phantom_cohort(1700, 21, 32)
    return images, np.asarray(subjects)


@pytest.fixture(scope="module")
def parts(population: tuple[np.ndarray, np.ndarray]) -> Parts:
    return divide(*population, (SIDE, SIDE, 300), 0)


def run(
    parts: Parts, synthetic: np.ndarray, config: AuditConfig = CONFIG, seed: int = 1, **more: object
) -> AuditResult:
    return audit_images(*parts.train, *parts.control, synthetic, *parts.auxiliary, config=config, seed=seed, **more)  # type: ignore[arg-type]


def one_each(part: tuple[np.ndarray, np.ndarray], count: int) -> np.ndarray:
    return part[0][np.unique(part[1], return_index=True)[1][:count]]


def test_fresh_people_pass_at_450_a_side(parts: Parts) -> None:
    result = run(parts, parts.fresh[:150])
    assert result.verdict == "pass", result.reasons
    assert result.reasons == () and result.side == SIDE and result.released == 150 and result.blocks == 1
    assert abs(result.advantage) <= 0.03 and 0 < result.advantage_upper <= 0.05
    assert result.planted.power >= 0.8 and result.planted.power_lower < result.planted.power
    assert result.weight == pytest.approx(1 / (100 * SIDE))
    assert result.base_rate == pytest.approx(SIDE * result.weight * (1 - result.weight) ** (SIDE - 1))
    assert result.weights.certified
    assert any(row.refused for row in result.planted.mixtures if row.copied_share > 0.15)


@pytest.mark.parametrize("perturbed", [False, True])
def test_a_release_of_copies_fails(parts: Parts, perturbed: bool) -> None:
    copies = one_each(parts.train, 200)
    if perturbed:
        copies, _ = perturbed_copies(copies, np.random.default_rng(0))
    result = run(parts, copies)
    assert result.verdict == "fail"
    assert result.advantage >= 0.8
    assert result.advantage_upper >= result.advantage
    assert "isolation" in result.reasons[0]
    assert result.tails.train_at_least["1"] >= 150 and result.tails.control_at_least["1"] == "<5"
    assert result.private.worst and result.private.pairs[0]["distance"] < 0.5


def test_copies_are_not_diluted_where_train_is_larger_than_control(population: tuple[np.ndarray, np.ndarray]) -> None:
    parts = divide(*population, (700, 300, 300), 4)
    result = run(parts, perturbed_copies(one_each(parts.train, 150), np.random.default_rng(1))[0])
    assert result.blocks == 3 and result.side == 300 and result.train_subjects == 700
    assert result.verdict == "fail" and result.advantage >= 0.8


def test_a_fifth_of_copies_fails(parts: Parts) -> None:
    copies, _ = perturbed_copies(one_each(parts.train, 60), np.random.default_rng(2))
    result = run(parts, np.concatenate([parts.fresh[:240], copies]))
    assert result.verdict == "fail" and result.advantage >= 0.12


def test_the_sign_reversed_finds_a_release_near_control_only(parts: Parts) -> None:
    """Images that meet control subjects and never train subjects: the mirror image of a leak."""
    met, _ = perturbed_copies(one_each(parts.control, 200), np.random.default_rng(3))
    result = run(parts, np.concatenate([parts.fresh[:100], met]))
    assert result.verdict == "fail"
    found = {test.name for test in result.tests if test.p_adjusted <= CONFIG.alpha}
    assert "isolation_reversed" in found and all(name.endswith("_reversed") for name in found)


def test_the_sign_reversed_finds_deliberate_holes(population: tuple[np.ndarray, np.ndarray]) -> None:
    """A veto that keeps every image near a train subject out of the release gives them away by their loneliness."""
    parts = divide(*population, (100, 100, 200), 6)
    space = fit_space("appearance", parts.auxiliary[0], size=32, components=48, seed=0)
    fresh, protected = space.embed(parts.fresh), group(space.embed(parts.train[0]), parts.train[1])
    nearest = subject_distances(fresh, protected).min(axis=1)
    result = run(parts, parts.fresh[np.sort(np.argsort(-nearest)[:500])])
    tests = {test.name: test for test in result.tests}
    assert tests["membership_by_distance_reversed"].p_adjusted <= CONFIG.alpha and result.verdict == "fail"
    unhindered = run(parts, parts.fresh[:500])
    assert min(test.p_adjusted for test in unhindered.tests) > CONFIG.alpha


def test_placebo_makes_incomparable_groups_inconclusive_or_worse(parts: Parts) -> None:
    """Control from another scanner (pictures mirrored): auxiliary people then resemble train only."""
    mirrored = replace(parts, control=(np.ascontiguousarray(parts.control[0][..., ::-1]), parts.control[1]))
    result = run(mirrored, parts.fresh[:150])
    assert result.placebo.difference
    assert result.verdict != "pass"
    assert any("cannot be compared" in reason for reason in result.reasons)


def test_p_values_under_no_leak_are_not_too_small(population: tuple[np.ndarray, np.ndarray]) -> None:
    config = AuditConfig(permutations=999, size=16, components=16, planted_copies=20)
    smallest, placebos, distance = [], 0, []
    for seed in range(12):
        parts = divide(*population, (150, 150, 120), 100 + seed)
        result = run(parts, parts.fresh[:80], config, seed=seed)
        smallest.append(min(test.p_adjusted for test in result.tests))
        distance.append(next(test.p for test in result.tests if test.name == "membership_by_distance"))
        placebos += result.placebo.difference
    assert sum(p <= 0.025 for p in smallest) <= 1 and placebos <= 2
    assert min(distance) < 0.5 < max(distance)


def test_small_audits_cannot_pass_and_say_so(population: tuple[np.ndarray, np.ndarray]) -> None:
    parts = divide(*population, (60, 50, 60), 9)
    result = run(parts, parts.fresh[:40], AuditConfig(permutations=999, size=16, components=16))
    assert result.verdict == "inconclusive" and result.advantage_upper > 0.05
    assert any("cannot pass" in note for note in result.notes)
    assert any("small audit" in note for note in result.notes)


def test_more_control_than_train_is_thinned_out(population: tuple[np.ndarray, np.ndarray]) -> None:
    parts = divide(*population, (100, 300, 100), 9)
    result = run(parts, parts.fresh[:40], AuditConfig(permutations=999, size=16, components=16))
    assert result.side == 100 and result.control_subjects == 100 and len(result.control_distances) == 100


def test_same_seed_same_result_and_nothing_personal(parts: Parts) -> None:
    renamed = replace(
        parts,
        train=(parts.train[0], np.array([f"secret-person-{s}" for s in parts.train[1]])),
        control=(parts.control[0], np.array([f"hidden-person-{s}" for s in parts.control[1]])),
    )
    small = AuditConfig(permutations=999, size=16, components=16, planted_copies=20)
    labels = [["effusion", "normal"][i % 2] for i in range(len(parts.train[0]))]
    copies = one_each(parts.train, 40)
    first, second = (run(renamed, copies, small, train_labels=labels).to_dict() for _ in range(2))
    assert first == second
    text = json.dumps(first, allow_nan=False)
    assert "secret" not in text and "hidden" not in text and "private" not in text and "seed" not in text
    evidence = safe_evidence(first)
    assert evidence_problems(evidence) == []
    assert evidence["claim"] == first["claim"] and evidence["advantage"] == first["advantage"]


def test_wrong_input_is_one_readable_message(parts: Parts) -> None:
    with pytest.raises(InputError, match="both train and control"):
        audit_images(*parts.train, *parts.train, parts.fresh[:20], *parts.auxiliary, seed=0)
    with pytest.raises(InputError, match="synthetic"):
        run(parts, parts.fresh[:0])
    with pytest.raises(InputError, match="uint8"):
        run(parts, parts.fresh[:20, :, ::2, ::2])
    with pytest.raises(InputError, match="labels"):
        run(parts, parts.fresh[:20], train_labels=["normal"])


def pieces(p: float = 0.5, power: float = 0.9, difference: bool = False) -> tuple[list[AttackTest], Planted, Placebo]:
    planted = Planted(100, power, power - 0.1, (), (MixtureRow(0.1, 100, 0.1, 0.01, True, True),))
    return [AttackTest("isolation", 0.1, p, p)], planted, Placebo(50, 0.0, 0.01, 0.5, 0.5, difference)


@pytest.mark.parametrize(
    ("p", "upper", "power", "difference", "verdict", "reasons"),
    [
        (0.5, 0.03, 0.9, False, "pass", 0),
        (0.025, 0.03, 0.9, False, "fail", 1),
        (0.5, 0.0501, 0.9, False, "inconclusive", 1),
        (0.5, 0.05, 0.79, False, "inconclusive", 1),
        (0.5, 0.03, 0.9, True, "inconclusive", 1),
        (0.01, 0.2, 0.5, True, "fail", 4),
    ],
)
def test_verdict_table(p: float, upper: float, power: float, difference: bool, verdict: str, reasons: int) -> None:
    tests, planted, placebo = pieces(p, power, difference)
    found = decide(
        tests,
        advantage_upper=upper,
        policy_upper=0.05,
        planted=planted,
        planted_power=0.8,
        placebo=placebo,
        alpha=0.025,
    )
    assert found[0] == verdict and len(found[1]) == reasons


def test_claim_is_bounded() -> None:
    assert claim(0.031, 1 / 45_000, 0.975).startswith("no tested attacker isolated training subjects more often")
    assert "secure" not in claim(0.031, 1 / 45_000, 0.975)


def test_an_upper_bound_is_never_rounded_down() -> None:
    assert "more than 0.032 (" in claim(0.0311, 1 / 45_000, 0.975)
    assert "more than 0.031 (" in claim(0.031, 1 / 45_000, 0.975) and "more than 0.000 (" in claim(0, 1 / 45_000, 0.975)
    for bound in (0.0501, 0.05049):
        assert rounded_up(bound) == "0.051"
