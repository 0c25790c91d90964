"""FID, KID, PRDC, AuthPct, C_T, Vendi and support against loops and closed forms."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.linalg import sqrtm
from scipy.stats import mannwhitneyu

from unpersonal.metrics.authpct import authentic, authpct
from unpersonal.metrics.ct import LEAST_SYNTHETIC, ct, z_score
from unpersonal.metrics.frechet import frechet_distance
from unpersonal.metrics.kid import kid, mmd2_unbiased
from unpersonal.metrics.neighbours import nearest, own_radius
from unpersonal.metrics.prdc import prdc
from unpersonal.metrics.support import subject_support, support_fraction
from unpersonal.metrics.vendi import vendi


def sets(seed: int, *sizes: int, d: int = 4) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    return [rng.normal(size=(n, d)) + 0.2 * i for i, n in enumerate(sizes)]


def distance(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.sqrt(((a - b) ** 2).sum()))


def test_nearest_is_the_lowest_row_among_ties() -> None:
    references = np.array([[0.0, 1.0], [1.0, 0.0], [1.0, 0.0]])
    index, gap = nearest(np.array([[1.0, 0.0], [0.0, 0.0]]), references)
    assert index.tolist() == [1, 0]
    assert gap.tolist() == [0.0, 1.0]


def test_own_radius_leaves_the_row_itself_out() -> None:
    (x,) = sets(0, 12)
    for k in (1, 3, 11):
        expected = [
            sorted(distance(row, other) for j, other in enumerate(x) if j != i)[k - 1] for i, row in enumerate(x)
        ]
        assert own_radius(x, k) == pytest.approx(expected)
    with pytest.raises(ValueError):
        own_radius(x, 12)


def test_fid_of_gaussians_with_commuting_covariances() -> None:
    """(sum over axes of) (m1 - m2)^2 + (s1 - s2)^2, exactly, where the samples' covariances are diagonal."""
    signs = np.array([[1, 1], [1, -1], [-1, 1], [-1, -1]], dtype=float)
    a, b = signs * [1.0, 2.0], signs * [3.0, 0.5] + [2.0, -1.0]
    unbiased = np.sqrt(4 / 3)
    expected = 5.0 + ((1 - 3) * unbiased) ** 2 + ((2 - 0.5) * unbiased) ** 2
    assert frechet_distance(a, b).fid == pytest.approx(expected)


def test_fid_against_the_matrix_square_root() -> None:
    x, y = sets(1, 60, 45, d=6)
    s1, s2 = np.cov(x, rowvar=False), np.cov(y, rowvar=False)
    result = frechet_distance(x, y)
    assert result.cov == pytest.approx(-2 * np.trace(sqrtm(s1 @ s2)).real)
    assert result.fid == pytest.approx(frechet_distance(y, x).fid)
    assert frechet_distance(x, x).fid == pytest.approx(0.0, abs=1e-9)


def test_fid_with_singular_covariances() -> None:
    x, y = sets(2, 5, 4, d=30)
    x[:, 3] = y[:, 3] = 1.0
    result = frechet_distance(x, y)
    assert np.isfinite(result.fid)
    assert result.fid > 0
    line = np.zeros((3, 30))
    assert frechet_distance(line, line).fid == 0.0
    with pytest.raises(ValueError):
        frechet_distance(x[:1], y)


def test_kid_by_loops() -> None:
    x, y = sets(3, 7, 7)
    m, d = x.shape

    def kernel(a: np.ndarray, b: np.ndarray) -> float:
        return (float(a @ b) / d + 1) ** 3

    within = sum(kernel(z[i], z[j]) for z in (x, y) for i in range(m) for j in range(m) if i != j)
    across = sum(kernel(a, b) for a in x for b in y)
    assert mmd2_unbiased(x, y) == pytest.approx(within / (m * (m - 1)) - 2 * across / m**2)


def test_kid_is_unbiased_and_grows_with_distance() -> None:
    rng = np.random.default_rng(4)
    same = np.mean([kid(rng.normal(size=(40, 3)), rng.normal(size=(40, 3)), rng=rng, subsets=5).kid for _ in range(60)])
    far = kid(rng.normal(size=(40, 3)), rng.normal(size=(40, 3)) + 2, rng=rng).kid
    assert abs(same) < 0.15
    assert far > 1.0
    with pytest.raises(ValueError):
        kid(np.ones((3, 2)), np.ones((9, 2)), rng=rng)


@pytest.mark.parametrize("k", [1, 5])
def test_prdc_by_loops(k: int) -> None:
    real, synth = sets(5, 25, 25, d=2)
    synth[:4] = real[:4]
    radius_real = [sorted(distance(a, b) for b in real)[k] for a in real]
    radius_synth = [sorted(distance(a, b) for b in synth)[k] for a in synth]
    inside = [[distance(r, s) < radius for s in synth] for r, radius in zip(real, radius_real, strict=True)]
    result = prdc(real, synth, k=k)
    assert result.precision == np.mean([any(row[j] for row in inside) for j in range(25)])
    assert result.density == pytest.approx(sum(map(sum, inside)) / (k * 25))
    assert result.coverage == np.mean([any(row) for row in inside])
    assert result.recall == np.mean(
        [any(distance(r, s) < radius for s, radius in zip(synth, radius_synth, strict=True)) for r in real]
    )


def test_prdc_at_equal_size_and_at_the_extremes() -> None:
    real, synth = sets(6, 40, 20)
    subset = np.random.default_rng(0).choice(40, 20, replace=False)
    assert prdc(real, synth, real_subset=subset) == prdc(real[subset], synth)
    far = prdc(real, real + 100.0)
    assert (far.precision, far.recall, far.density, far.coverage) == (0.0, 0.0, 0.0, 0.0)


def test_authpct_by_loops() -> None:
    train, synth = sets(7, 20, 15)
    synth[:5] = train[3:8]
    expected = []
    for s in synth:
        gaps = [distance(s, t) for t in train]
        i = int(np.argmin(gaps))
        expected.append(min(distance(train[i], t) for j, t in enumerate(train) if j != i) < gaps[i])
    assert authentic(train, synth).tolist() == expected
    assert authpct(train, synth) == pytest.approx(100 * np.mean(expected))
    assert authpct(train, train) == 0.0


def test_ct_statistic_against_scipy_and_its_sign() -> None:
    train, test, synth = sets(8, 50, 30, 25)
    far = [min(distance(row, t) for t in train) for row in synth]
    near = [min(distance(row, t) for t in train) for row in test]
    u = mannwhitneyu(far, near).statistic
    assert z_score(train, test, synth) == pytest.approx((u - (25 * 30 / 2 - 0.5)) / np.sqrt(25 * 30 * 56 / 12))
    assert z_score(train, test, train) < -5
    assert z_score(train, test, test + 50.0) > 5


def test_ct_is_centred_without_copying() -> None:
    rng = np.random.default_rng(9)
    values = [ct(*(rng.normal(size=(n, 3)) for n in (90, 80, 80)), rng=rng).value for _ in range(40)]
    assert abs(np.mean(values)) < 0.6


def test_ct_leaves_small_cells_out() -> None:
    train, test, synth = sets(10, 60, 60, 60)
    labels = np.zeros(60, dtype=int)
    few = labels.copy()
    few[:LEAST_SYNTHETIC] = 1
    half = np.arange(60) % 2
    result = ct(train, test, synth, cells=(half, half, few))
    assert result.used == (True, False)
    assert result.value == pytest.approx(z_score(train[half == 0], test[half == 0], synth[few == 0]))
    lonely = ct(train, test, synth, cells=(labels, labels, few))
    assert lonely.z_per_cell[1] is None
    with pytest.raises(ValueError):
        ct(train, test, synth[:20], cells=(labels, labels, labels[:20]))


def test_vendi_counts_orthogonal_groups() -> None:
    rows = np.repeat(np.eye(6)[:4] * 3.0, 5, axis=0)
    for order in (0.5, 1, 2, np.inf):
        assert vendi(rows, order) == pytest.approx(4.0)
    uneven = np.repeat(np.eye(2), [3, 1], axis=0)
    shares = np.array([0.75, 0.25])
    assert vendi(uneven) == pytest.approx(np.exp(-(shares * np.log(shares)).sum()))
    assert vendi(uneven, 2) == pytest.approx(1 / (shares**2).sum())
    assert vendi(uneven, np.inf) == pytest.approx(1 / 0.75)
    with pytest.raises(ValueError):
        vendi(np.zeros((3, 2)))


def test_support_of_rows_and_of_subjects() -> None:
    reference = np.arange(6.0)[:, None]
    synth = np.array([[0.1], [0.2], [1.1], [4.9]])
    assert support_fraction(reference, synth) == 3 / 6
    assert subject_support(reference, np.array(["a", "a", "b", "b", "c", "c"]), synth) == 2 / 3


def test_broken_features_are_refused() -> None:
    for bad in (np.array([[np.nan, 1.0]]), np.zeros((0, 3)), np.zeros(4)):
        with pytest.raises(ValueError):
            nearest(bad, np.zeros((2, 2)))
    with pytest.raises(ValueError):
        nearest(np.zeros((2, 3)), np.zeros((2, 2)))
