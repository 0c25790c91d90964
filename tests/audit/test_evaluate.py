"""The whole audit on phantoms, where the truth is known."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace

import numpy as np
import pytest

from unpersonal.audit import AuditConfig, AuditResult, SubjectImages, audit_images
from unpersonal.audit.distances import group, subject_distances
from unpersonal.audit.perturbations import perturbed_copies
from unpersonal.audit.profiles import PROFILES
from unpersonal.audit.spaces import fit_space
from unpersonal.core.errors import InputError
from unpersonal.phantom import phantom_cohort
from unpersonal.release.evidence import evidence_problems, safe_evidence

CONFIG = AuditConfig(permutations=2999, size=32, components=48, planted_copies=120, kind_copies=1, network_steps=20)
SMALL = AuditConfig(permutations=999, size=16, components=16, planted_copies=20, kind_copies=1, network_steps=20)
SIDE = 450


@dataclass(frozen=True)
class Sets:
    """A phantom population divided into the sets of an audit; `fresh` are images of people in none."""

    train: SubjectImages
    control: SubjectImages
    auxiliary: SubjectImages
    fresh: np.ndarray


def divide(images: np.ndarray, names: np.ndarray, sizes: tuple[int, int, int], seed: int) -> Sets:
    order = np.random.default_rng(seed).permutation(np.unique(names))
    cuts = np.split(order, np.cumsum(sizes))
    rows = [np.flatnonzero(np.isin(names, cut)) for cut in cuts]
    train, control, auxiliary = (SubjectImages(images[r], names[r]) for r in rows[:3])
    return Sets(train, control, auxiliary, images[rows[3]])


@pytest.fixture(scope="module")
def population() -> tuple[np.ndarray, np.ndarray]:
    images, subjects, _ = phantom_cohort(1700, 21, 32)
    return images, np.asarray(subjects)


@pytest.fixture(scope="module")
def sets(population: tuple[np.ndarray, np.ndarray]) -> Sets:
    return divide(*population, (SIDE, SIDE, 300), 0)


def run(sets: Sets, synthetic: np.ndarray, config: AuditConfig = CONFIG, seed: int = 1) -> AuditResult:
    profile = PROFILES["agreement"]
    return audit_images(sets.train, sets.control, synthetic, sets.auxiliary, config=config, seed=seed, profile=profile)


def one_each(given: SubjectImages, count: int) -> np.ndarray:
    return given.images[np.unique(given.subjects, return_index=True)[1][:count]]


@pytest.mark.slow
def test_fresh_people_pass_at_450_a_side(sets: Sets) -> None:
    result = run(sets, sets.fresh[:150])
    figures = result.figures
    assert result.verdict == "pass", figures.reasons
    assert figures.reasons == () and figures.side == SIDE and figures.released == 150 and figures.blocks == 1
    assert abs(figures.advantage) <= 0.03 and 0 < figures.advantage_upper <= 0.05
    assert figures.planted.power >= 0.8 and figures.planted.power_lower < figures.planted.power
    assert figures.weight == pytest.approx(1 / (100 * SIDE))
    assert figures.base_rate == pytest.approx(SIDE * figures.weight * (1 - figures.weight) ** (SIDE - 1))
    assert figures.weights.certified and not figures.sham.difference
    assert {row.outcome for row in figures.primary} == {"within"} and figures.profile == "agreement"


@pytest.mark.slow
@pytest.mark.parametrize("perturbed", [False, True])
def test_a_release_of_copies_fails(sets: Sets, perturbed: bool) -> None:
    copies = one_each(sets.train, 200)
    if perturbed:
        copies, _ = perturbed_copies(copies, np.random.default_rng(0))
    result = run(sets, copies)
    assert result.verdict == "fail"
    # of 450 people 200 were copied
    assert 0.35 <= result.figures.advantage <= 200 / 450 and result.figures.advantage_upper >= result.figures.advantage
    assert {row.outcome for row in result.figures.primary if row.name != "inference"} == {"above"}
    top = next(row for row in result.figures.isolation if row.name == "isolation").top
    assert top[0].success == 1.0 and top[-1].success >= 0.9
    assert result.figures.tails.train_at_least["1"] >= 150 and result.figures.tails.control_at_least["1"] == "<5"
    assert result.private.worst and result.private.pairs[0]["distance"] < 0.5


@pytest.mark.slow
def test_copies_are_not_diluted_where_train_is_larger_than_control(population: tuple[np.ndarray, np.ndarray]) -> None:
    sets = divide(*population, (700, 300, 300), 4)
    result = run(sets, perturbed_copies(one_each(sets.train, 150), np.random.default_rng(1))[0])
    assert result.figures.blocks == 3 and result.figures.side == 300 and result.figures.train_subjects == 700
    assert result.verdict == "fail" and result.figures.advantage >= 0.8 * 150 / 700


@pytest.mark.slow
def test_a_fifth_of_copies_fails(sets: Sets) -> None:
    copies, _ = perturbed_copies(one_each(sets.train, 60), np.random.default_rng(2))
    result = run(sets, np.concatenate([sets.fresh[:240], copies]))
    assert result.verdict == "fail" and result.figures.advantage >= 0.8 * 60 / 450


@pytest.mark.slow
def test_the_sign_reversed_finds_a_release_near_control_only(sets: Sets) -> None:
    """Images that meet control subjects and never train subjects: the mirror image of a leak."""
    met, _ = perturbed_copies(one_each(sets.control, 200), np.random.default_rng(3))
    result = run(sets, np.concatenate([sets.fresh[:100], met]))
    assert result.verdict == "fail"
    above = [row for row in result.figures.primary if row.outcome == "above"]
    assert above and all(row.attack.endswith("_reversed") for row in above)


@pytest.mark.slow
def test_the_sign_reversed_finds_deliberate_holes(population: tuple[np.ndarray, np.ndarray]) -> None:
    """A veto that keeps every image near a train subject out of the release gives them away by their loneliness."""
    sets = divide(*population, (100, 100, 200), 6)
    space = fit_space("appearance", sets.auxiliary.images, size=32, components=48, seed=0)
    fresh, protected = space.embed(sets.fresh), group(space.embed(sets.train.images), sets.train.subjects)
    nearest = subject_distances(fresh, protected).min(axis=1)
    alone = CONFIG.model_copy(update={"attacks": ("membership-by-distance",)})
    result = run(sets, sets.fresh[np.sort(np.argsort(-nearest)[:500])], alone)
    rows = {row.name: row for row in result.figures.membership}
    assert rows["membership_by_distance_reversed"].p <= CONFIG.alpha and result.verdict != "pass"
    unhindered = run(sets, sets.fresh[:500], alone)
    assert min(row.p for row in unhindered.figures.membership) > CONFIG.alpha


@pytest.mark.slow
def test_placebo_makes_incomparable_groups_inconclusive_or_worse(sets: Sets) -> None:
    """Control from another scanner (pictures mirrored): auxiliary people then resemble train only."""
    mirrored = replace(sets, control=replace(sets.control, images=np.ascontiguousarray(sets.control.images[..., ::-1])))
    result = run(mirrored, sets.fresh[:150])
    assert result.figures.placebo.difference
    assert result.verdict != "pass"
    assert any("cannot be compared" in reason for reason in result.figures.reasons)


@pytest.mark.slow
def test_p_values_under_no_leak_are_not_too_small(population: tuple[np.ndarray, np.ndarray]) -> None:
    """Of single scores see `attacks/test_membership_scores.py`; here all attacks, the search and the shams together."""
    smallest, doubts = [], 0
    for seed in range(4):
        sets = divide(*population, (150, 150, 120), 100 + seed)
        figures = run(sets, sets.fresh[:80], SMALL, seed=seed).figures
        smallest.append(min(row.p for row in figures.membership))
        doubts += figures.placebo.difference + figures.sham.difference
        assert figures.verdict != "fail", figures.reasons
    assert sum(p <= 0.025 for p in smallest) <= 1 and doubts <= 2


def test_small_audits_cannot_pass_and_say_so(population: tuple[np.ndarray, np.ndarray]) -> None:
    sets = divide(*population, (25, 25, 60), 9)
    result = run(sets, sets.fresh[:40], SMALL)
    assert result.verdict == "inconclusive" and result.figures.advantage_upper > 0.05
    assert any("is above the margin" in reason for reason in result.figures.reasons)
    assert any("cannot pass" in note for note in result.figures.notes)
    assert any("small audit" in note for note in result.figures.notes)


def test_more_control_than_train_is_thinned_out(population: tuple[np.ndarray, np.ndarray]) -> None:
    sets = divide(*population, (100, 300, 100), 9)
    result = run(sets, sets.fresh[:40], SMALL)
    assert (
        result.figures.side == 100 and result.figures.control_subjects == 100 and len(result.control_distances) == 100
    )


@pytest.mark.slow
def test_same_seed_same_result_and_nothing_personal(sets: Sets) -> None:
    renamed = replace(
        sets,
        train=SubjectImages(
            sets.train.images,
            np.array([f"secret-person-{s}" for s in sets.train.subjects]),
            [["effusion", "normal"][i % 2] for i in range(len(sets.train))],
        ),
        control=replace(sets.control, subjects=np.array([f"hidden-person-{s}" for s in sets.control.subjects])),
    )
    copies = one_each(sets.train, 40)
    first, second = (run(renamed, copies, SMALL).to_dict() for _ in range(2))
    assert first == second
    text = json.dumps(first, allow_nan=False)
    assert "secret" not in text and "hidden" not in text and "private" not in text and "seed" not in text
    evidence = safe_evidence(first)
    assert evidence_problems(evidence) == []
    assert evidence["claim"] == first["claim"] and evidence["advantage"] == first["advantage"]


def test_wrong_input_is_one_readable_message(sets: Sets) -> None:
    with pytest.raises(InputError, match="both train and control"):
        audit_images(sets.train, sets.train, sets.fresh[:20], sets.auxiliary, seed=0)
    with pytest.raises(InputError, match="synthetic"):
        run(sets, sets.fresh[:0])
    with pytest.raises(InputError, match="uint8"):
        run(sets, sets.fresh[:20, :, ::2, ::2])
    with pytest.raises(InputError, match="labels"):
        run(replace(sets, train=replace(sets.train, labels=["normal"])), sets.fresh[:20])
