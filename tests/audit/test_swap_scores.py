import numpy as np
import pytest

from unpersonal.audit.swap_scores import SwapScores, membership_of, paired_auroc, paired_tpr, unpaired_auroc
from unpersonal.metrics.roc import auroc


def people(
    rng: np.random.Generator, count: int = 120, common: float = 0.8, leak: float = 0.0
) -> tuple[SwapScores, np.ndarray]:
    """Scores against two releases that share a part `common` of a person; whoever trained scores `leak` more."""
    inside = rng.permutation(count) < count // 2
    face = rng.normal(size=count)
    own = np.sqrt(1 - common**2)
    first, second = (common * face + own * rng.normal(size=count) for _ in range(2))
    return SwapScores("attack", first + leak * inside, second + leak * ~inside), inside


def test_the_mean_is_that_of_both_games_and_its_twin_the_mirror_image() -> None:
    scores, inside = people(np.random.default_rng(0), leak=0.5)
    wanted = (auroc(scores.first, inside) + auroc(scores.second, ~inside)) / 2
    assert paired_auroc(scores, inside).value == pytest.approx(wanted)
    assert unpaired_auroc(scores, inside).value == pytest.approx(wanted)
    assert paired_auroc(scores.reversed(), inside).value == pytest.approx(1 - wanted)
    assert paired_auroc(scores.reversed(), inside).rest == pytest.approx(paired_auroc(scores, inside).rest)


@pytest.mark.parametrize(("common", "leak"), [(0.0, 0.0), (0.8, 0.0), (0.8, 0.6), (0.95, 1.0)])
def test_the_paired_variance_is_that_of_repeated_swaps(common: float, leak: float) -> None:
    rng = np.random.default_rng(1)
    found = [paired_auroc(*people(rng, common=common, leak=leak)) for _ in range(1500)]
    assert np.mean([each.rest for each in found]) == pytest.approx(np.var([each.value for each in found]), rel=0.15)


def test_pairing_narrows_the_bound_the_more_a_person_scores_alike_in_both_games() -> None:
    rng = np.random.default_rng(2)
    widths = []
    for common in (0.0, 0.7, 0.95):
        made = [people(rng, common=common) for _ in range(40)]
        widths.append(np.mean([np.sqrt(paired_auroc(*each).rest / unpaired_auroc(*each).rest) for each in made]))
    assert widths[0] == pytest.approx(1.0, abs=0.05)
    assert widths[1] < 0.85 and widths[2] < 0.5


def figures(scores: SwapScores, inside: np.ndarray, seed: int = 0, permutations: int = 999) -> tuple:  # type: ignore[type-arg]
    strata = np.full(len(inside), "")
    rng = np.random.default_rng(seed)
    return membership_of([scores], inside, strata, permutations=permutations, confidence=0.975, rng=rng)


def test_without_a_leak_bounds_hold_at_their_rate() -> None:
    rng, audits = np.random.default_rng(3), 300
    missed = failed = 0
    for number in range(audits):
        told, twin = figures(*people(rng, count=160), seed=number, permutations=199)
        missed += told.auroc_upper < 0.5
        failed += max(told.auroc_lower, twin.auroc_lower) > 0.5 or max(told.tpr_lower, twin.tpr_lower) > 0.01
    # 2.5 % each; three standard errors above that
    assert missed / audits <= 0.025 + 3 * np.sqrt(0.025 * 0.975 / audits)
    assert failed / audits <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / audits)


def test_a_leak_that_two_unrelated_games_would_not_show_is_seen_in_pairs() -> None:
    rng = np.random.default_rng(4)
    seen = unpaired = 0
    for _ in range(60):
        scores, inside = people(rng, count=120, common=0.95, leak=0.25)
        seen += paired_auroc(scores, inside).lower(1.96) > 0.5
        unpaired += unpaired_auroc(scores, inside).lower(1.96) > 0.5
    assert seen >= 50 and unpaired <= 30


def test_true_positive_rates_are_averaged_over_all_people() -> None:
    rng = np.random.default_rng(5)
    scores, inside = people(rng, count=400, leak=8.0)
    assert paired_tpr(scores, inside).value == pytest.approx(1.0)
    assert paired_tpr(scores, inside).trials == 400
    scores, inside = people(rng, count=400)
    assert paired_tpr(scores, inside).value < 0.06


def test_the_family_has_both_signs_and_none_without_attacks() -> None:
    scores, inside = people(np.random.default_rng(6))
    assert [each.name for each in figures(scores, inside)] == ["attack", "attack_reversed"]
    none = membership_of([], inside, np.full(120, ""), permutations=9, confidence=0.9, rng=np.random.default_rng(0))
    assert none == ()


def test_more_attacks_make_the_lower_bounds_lower_and_leave_the_upper_ones() -> None:
    rng = np.random.default_rng(7)
    scores, inside = people(rng, count=200, leak=1.0)
    alone = figures(scores, inside)[0]
    others = [people(rng, count=200)[0] for _ in range(8)]
    told = membership_of(
        [scores, *others], inside, np.full(200, ""), permutations=999, confidence=0.975, rng=np.random.default_rng(0)
    )[0]
    assert told.auroc_lower < alone.auroc_lower and told.auroc_upper == alone.auroc_upper
