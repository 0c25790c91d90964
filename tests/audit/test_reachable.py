import numpy as np
import pytest

from unpersonal.audit.bounds import auroc_estimate, tpr_estimate, z_of
from unpersonal.audit.profiles import PROFILES
from unpersonal.audit.reachable import SURE, Numbers, numbers_of, pass_chances, people_needed, reachable
from unpersonal.metrics.intervals import clopper_pearson_upper

SHARES = {"train": 0.5, "control": 0.3, "aux": 0.1}
AUROC, RATE = "membership AUROC", "true-positive rate at 1 % false positives"


def simulated(n: int, m: int, attacks: int, profile: str, audits: int) -> dict[str, float]:
    """Shares of audits in which all of `attacks` correlated scores that tell nothing keep their margins."""
    rng, z, margins = np.random.default_rng(n), z_of(0.95), PROFILES[profile]
    train = np.arange(n + m) < n
    kept = {AUROC: 0, RATE: 0}
    for _ in range(audits):
        common = rng.normal(size=n + m)
        scores = [sign * (0.6 * common + 0.8 * rng.normal(size=n + m)) for _ in range(attacks) for sign in (1, -1)]
        kept[AUROC] += all(auroc_estimate(s, train).upper(z) <= margins.auroc for s in scores)
        kept[RATE] += all(tpr_estimate(s, train).upper(z) <= margins.tpr for s in scores)
    return {name: count / audits for name, count in kept.items()}


@pytest.mark.parametrize(
    ("n", "m", "profile"), [(300, 180, "agreement"), (450, 450, "agreement"), (900, 600, "open"), (1500, 900, "open")]
)
def test_the_closed_forms_bracket_what_simulated_audits_show(n: int, m: int, profile: str) -> None:
    audits = 150
    found = simulated(n, m, 3, profile, audits)
    told = pass_chances(Numbers(n, m, 100, n, 3), PROFILES[profile])
    for name, share in found.items():
        error = 3 * np.sqrt(max(share * (1 - share), 0.01) / audits)
        assert told[name].least - error <= share <= told[name].most + error, name


def test_rates_of_people_are_those_of_the_exact_bound() -> None:
    numbers, rng = Numbers(300, 180, 60, 300, 1), np.random.default_rng(0)
    hits = rng.binomial(300, 0.01, size=4000)
    bounds = {count: clopper_pearson_upper(int(count), 300, 0.95) for count in set(hits)}
    kept = np.mean([bounds[count] <= PROFILES["open"].isolated for count in hits])
    assert pass_chances(numbers, PROFILES["open"])["people isolated"].least == pytest.approx(kept, abs=0.01)


def test_the_mean_of_two_games_varies_as_the_swap_is_told() -> None:
    rng, half = np.random.default_rng(2), 60
    inside = np.arange(2 * half) < half
    means = [
        (auroc_estimate(first, inside).value + auroc_estimate(second, ~inside).value) / 2
        for first, second in rng.normal(size=(1500, 2, 2 * half))
    ]
    people = 2 * half
    assert np.var(means) == pytest.approx((people + 1) / (6 * people**2), rel=0.12)
    # what n train against n control people are told to vary by
    assert np.var(means) == pytest.approx((2 * people + 1) / (12 * people**2), rel=0.12)


def test_more_people_reach_more_and_more_attacks_less() -> None:
    few, many = (reachable(numbers_of(n, SHARES, attacks=8), PROFILES["agreement"]) for n in (300, 3000))
    assert few.passes.least < many.passes.least and few.passes.most < many.passes.most
    assert many.passes.least > SURE
    one, forty = (reachable(numbers_of(900, SHARES, attacks=k), PROFILES["agreement"]).passes for k in (1, 40))
    assert forty.least < one.least and forty.most == one.most


@pytest.mark.parametrize("profile", ["open", "agreement"])
@pytest.mark.parametrize("design", ["split", "swap"])
def test_the_people_needed_are_just_enough(profile: str, design: str) -> None:
    options = {"attacks": 8}
    needed = people_needed(SHARES, PROFILES[profile], design=design, **options)
    assert needed is not None

    def least(people: int) -> float:
        return reachable(numbers_of(people, SHARES, **options), PROFILES[profile], design=design).passes.least

    assert least(needed) >= SURE
    assert least(int(needed * 1.3)) >= SURE
    assert least(int(needed * 0.7)) < SURE


def test_a_swap_needs_fewer_people_and_the_laxer_profile_fewer_still() -> None:
    needed = {
        (profile, design): people_needed(SHARES, PROFILES[profile], attacks=12, design=design)
        for profile in ("open", "agreement")
        for design in ("split", "swap")
    }
    assert needed["agreement", "swap"] < needed["agreement", "split"] < needed["open", "swap"] < needed["open", "split"]


def test_nobody_can_play_with_hardly_anybody_and_no_number_is_enough_for_no_margin() -> None:
    nobody = reachable(Numbers(3, 3, 2, 3, 5), PROFILES["agreement"])
    assert not nobody.within_reach and nobody.passes.most == 0.0 and nobody.limiting == "number of people"
    from dataclasses import replace

    strict = replace(PROFILES["open"], tpr=0.01)
    assert people_needed(SHARES, strict, attacks=1) is None


def test_unlabelled_images_leave_nothing_to_infer() -> None:
    told = pass_chances(Numbers(300, 180, 60, 300, 5, labels=False), PROFILES["open"])
    assert "inference above control" not in told


def test_a_release_of_few_images_allows_no_bet_to_be_bounded() -> None:
    assert pass_chances(Numbers(900, 900, 90, 10, 1), PROFILES["open"])["success of the first bets"].most == 0.0
    assert pass_chances(Numbers(900, 900, 90, 50, 1), PROFILES["open"])["success of the first bets"].least > 0.99
