"""Ranks at equal looks: the estimate against what was drawn, its bounds and permutations, and what it may not know."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binom, norm

from unpersonal.audit.attack import SubjectScores
from unpersonal.audit.background import Background
from unpersonal.audit.bounds import auroc_estimate, z_of
from unpersonal.audit.config import AuditConfig
from unpersonal.audit.evaluate import audit_images
from unpersonal.audit.family import fit_attack
from unpersonal.audit.foretold import FEWEST, covariates_of, foretold_ranks
from unpersonal.audit.game import deal_roles, permuted_codes
from unpersonal.audit.images import SubjectImages
from unpersonal.audit.membership import auroc_with_null, ordinary_distance
from unpersonal.audit.membership_rows import measure_membership, membership_figures
from unpersonal.audit.sham import play_sham
from unpersonal.audit.target import Deal, make_target
from unpersonal.metrics.roc import auroc, mid_ranks
from unpersonal.phantom import phantom_cohort

TRUTH = 0.15
"""Standard deviations by which a leak moves scores, where there is one."""


def drawn(seed: int, side: int, leak: float, looks: int = 12) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Scores [N] half of whose variance is looks, covariates [N, c] that show these and more, and who trained."""
    rng = np.random.default_rng(seed)
    covariates = rng.normal(size=(2 * side, looks))
    train = rng.permutation(2 * side) < side
    scores = covariates[:, 0] * np.sqrt(0.5) + rng.normal(size=2 * side) * np.sqrt(0.5) + leak * train
    return scores, covariates, train


@pytest.mark.parametrize("leak", [0.0, TRUTH])
def test_the_estimate_is_right_narrower_and_bounded_as_it_says(leak: float) -> None:
    truth, runs, side = norm.cdf(leak / np.sqrt(2.0)), 200, 150
    found, plain = [], []
    for seed in range(runs):
        scores, covariates, train = drawn(seed, side, leak)
        (more,) = foretold_ranks(scores[None], train, covariates, seed)
        found.append(auroc_estimate(scores, train, more))
        plain.append(auroc_estimate(scores, train))
    values = np.array([each.value for each in found])
    assert abs(values.mean() - truth) < 4 * values.std() / np.sqrt(runs)
    # half of the variance is looks: so much narrower is the estimate, and so much narrower does it say that it is
    assert values.std() < 0.8 * np.std([each.value for each in plain])
    said = np.sqrt([each.rest for each in found])
    assert said.mean() == pytest.approx(values.std(), rel=0.15)
    for bound, missed in (
        ("upper", sum(each.upper(z_of(0.95)) < truth for each in found)),
        ("lower", sum(each.lower(z_of(0.95)) > truth for each in found)),
    ):
        assert missed <= binom.ppf(0.999, runs, 0.05), bound


def test_its_permutations_are_those_of_the_same_statistic() -> None:
    scores, covariates, train = drawn(0, 80, 0.3)
    (more,) = foretold_ranks(scores[None], train, covariates, 0)
    roles = deal_roles(train, np.random.default_rng(1))
    codes = permuted_codes(roles, np.zeros(160), 40, np.random.default_rng(2))
    value, null = auroc_with_null(scores, codes, roles.train, roles.blocks, more)
    assert value == pytest.approx(auroc_estimate(scores, roles.train, more).value)
    assert value != pytest.approx(auroc(scores, roles.train))
    for code, other in zip(codes, null, strict=True):
        assert other == pytest.approx(auroc_estimate(scores, (code >> 1) < roles.blocks, more).value)


def test_a_reversed_score_is_mirrored_and_nothing_else() -> None:
    scores, covariates, train = drawn(3, 80, 0.3)
    more = foretold_ranks(np.stack([scores, -scores]), train, covariates, 0)
    assert more[1] == pytest.approx(-more[0], abs=1e-6 * np.abs(more).max())
    values = [auroc_estimate(each, train, told).value for each, told in zip((scores, -scores), more, strict=True)]
    assert sum(values) == pytest.approx(1.0)


def test_what_foretells_nothing_changes_nothing() -> None:
    rng = np.random.default_rng(4)
    scores, train = rng.normal(size=400), rng.permutation(400) < 200
    for covariates in (np.empty((400, 0)), np.ones((400, 3))):
        assert not foretold_ranks(scores[None], train, covariates, 0).any()
    noise = auroc_estimate(scores, train, foretold_ranks(scores[None], train, rng.normal(size=(400, 60)), 0)[0])
    plain = auroc_estimate(scores, train)
    assert noise.rest == pytest.approx(plain.rest, rel=0.03) and noise.value == pytest.approx(plain.value, abs=0.01)
    constant = np.ones((400, 1), np.float32) + np.float32(1e-7) * rng.integers(0, 3, (400, 1)).astype(np.float32)
    assert not foretold_ranks(constant.T + 0.0, train, constant, 0).any()
    few = rng.normal(size=FEWEST - 2)
    assert not foretold_ranks(few[None], np.arange(len(few)) % 2 == 0, few[:, None], 0).any()
    scores, covariates, train = drawn(0, 100, 0.0, looks=101)
    assert not foretold_ranks(scores[None], train, covariates, 0).any()
    assert foretold_ranks(scores[None], train, covariates[:, :100], 0).any()


def test_a_copy_is_as_certain_at_equal_looks_as_before() -> None:
    """All train people stand out: nothing that covariates say may explain that away."""
    scores, covariates, train = drawn(5, 150, 8.0)
    (more,) = foretold_ranks(scores[None], train, covariates, 0)
    assert auroc_estimate(scores, train).value > 0.999
    assert auroc_estimate(scores, train, more).lower(z_of(0.975)) > 0.95


def test_a_plug_in_beside_ours_changes_nothing_of_ours() -> None:
    scores, covariates, train = drawn(7, 150, 0.1)
    rng = np.random.default_rng(8)
    others = np.stack([scores, np.ones(300) + (scores > 2), 1e300 * rng.normal(size=300), rng.normal(size=300)])
    alone = foretold_ranks(scores[None], train, covariates, 0)[0]
    among = foretold_ranks(np.concatenate([scores[None], others]), train, covariates, 0)
    assert np.array_equal(among[0], alone)
    assert among[3] != pytest.approx(among[0], abs=1.0)


@pytest.mark.parametrize("shift", [1.0, 2.0])
def test_where_looks_foretell_the_side_a_leak_is_not_taken_for_looks(shift: float) -> None:
    """Sides that chance did not deal: a rule over both would learn the leak from whatever tells them apart."""
    leak, runs, side, missed = 0.2, 60, 300, 0
    for seed in range(runs):
        scores, covariates, train = drawn(seed, side, leak)
        covariates[:, 2] += shift * train
        assert not foretold_ranks(scores[None], train, covariates, seed).any()
        measured = auroc_estimate(scores, train, foretold_ranks(scores[None], train, covariates, seed)[0])
        missed += measured.upper(z_of(0.95)) < norm.cdf(leak / np.sqrt(2.0))
    assert missed <= binom.ppf(0.999, runs, 0.05)


def test_chance_seldom_looks_like_a_difference_of_the_sides() -> None:
    runs = 100
    kept = sum(
        foretold_ranks(scores[None], train, covariates, seed).any()
        for seed in range(runs)
        for scores, covariates, train in [drawn(seed, 100, 0.0)]
    )
    assert kept >= binom.ppf(0.001, runs, 0.95)


def test_a_person_like_nobody_decides_nothing() -> None:
    scores, covariates, train = drawn(6, 150, 0.0)
    covariates[0] *= 1e6
    foretold = foretold_ranks(scores[None], train, covariates, 0)[0]
    assert np.abs(foretold).max() < len(scores)
    assert auroc_estimate(scores, train, foretold).rest < auroc_estimate(scores, train).rest


def people(first: int, count: int) -> SubjectImages:
    images, subjects, labels = phantom_cohort(240, 1, 32)
    names = np.unique(subjects)[first : first + count]
    rows = np.flatnonzero(np.isin(subjects, names))
    return SubjectImages(images[rows], np.asarray(subjects)[rows], [(str(labels[row]),) for row in rows])


def test_covariates_are_those_and_know_neither_the_release_nor_who_trained() -> None:
    config = AuditConfig(permutations=999)
    names = ("membership-by-distance", "membership-by-density")
    train, control, network, certify = (people(first, 60) for first in (0, 60, 120, 180))
    told = []
    for released in (np.array(train.images[:60]), np.array(network.images[:60])):
        background = Background(released, network, certify, 60, config, 0)
        for sides in ((train, control), (control, train)):
            target = make_target(*sides, config, 0)
            fitted = [fit_attack(name, background, labels=True) for name in names]
            images, family = play_sham(background, target.with_release(), fitted, labels=True)
            assert images == 60 and len(family.scores.found) == len(names)
            told.append(covariates_of(background, target, [each.values for each in family.scores.found]))
    for each in told[1:]:
        np.testing.assert_allclose(each, told[0], rtol=1e-5, atol=1e-5)
    # ranks by the sham, of each space nearness and place, and the number of images
    wanted = [mid_ranks(each.values) for each in family.scores.found]
    for kind in ("appearance", "gradient"):
        space = background.space(kind)
        embedded = target.embedded(space)
        wanted.append(mid_ranks(ordinary_distance(embedded, background.reference(kind))))
        owner = np.repeat(np.arange(120), embedded.images_per_subject)
        wanted += [np.bincount(owner, column) / np.bincount(owner) for column in embedded.points.T]
    wanted.append(np.log(np.bincount(owner)))
    np.testing.assert_allclose(told[-1], np.stack(wanted, axis=1), rtol=1e-4, atol=1e-4)
    assert len(set(np.bincount(owner))) > 1


def test_rows_say_what_was_seen_and_no_bound_contradicts_it() -> None:
    runs, wrong, beyond = 60, 0, 0
    for seed in range(runs):
        scores, covariates, train = drawn(seed, 100, 0.0, looks=2)
        # nearly all is looks: what chance deals of them lies far outside of bounds at equal looks
        scores = covariates[:, 0] + 0.05 * scores
        roles = deal_roles(train, np.random.default_rng(seed))
        codes = permuted_codes(roles, np.zeros(200), 199, np.random.default_rng(seed))
        measured = measure_membership([SubjectScores(scores)], ["s"], Deal(roles, codes), covariates, seed)
        rows = membership_figures(measured, 2, 0.975).rows
        for row, each, sign in zip(rows, measured, (1.0, -1.0), strict=True):
            assert row.auroc_observed == pytest.approx(auroc(sign * scores, train))
            assert row.auroc_lower <= row.auroc_observed <= row.auroc_upper
            beyond += each.estimates[0].upper(z_of(0.975)) < row.auroc_observed
        wrong += any(row.auroc_lower > 0.5 or row.tpr_lower > 0.01 for row in rows)
    assert beyond > runs / 10 and rows[0].explained is not None
    assert wrong <= binom.ppf(0.999, runs, 0.05)


def test_an_audit_uses_it() -> None:
    train, control, rest = people(0, 80), people(80, 80), people(160, 80)
    released = np.array(rest.images[:60])
    few = AuditConfig(permutations=999, attacks=["membership-by-distance", "membership-by-density"])
    result = audit_images(train, control, released, rest, config=few, seed=0)
    rows = result.figures.membership
    assert rows is not None
    assert any(row.explained and row.auroc != row.auroc_observed for row in rows)
