"""The chest phantom: deterministic, a real population, with findings to be learned and outliers to be found."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats
from scipy.ndimage import gaussian_filter
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

from unpersonal.core.errors import InputError
from unpersonal.layouts.labels import CHEST8
from unpersonal.phantom import (
    ACQUISITION,
    CLASSES,
    POPULATION,
    Modality,
    draw_subjects,
    draw_visits,
    get_modality,
    phantom_cohort,
    render,
    render_raw,
    severities,
)
from unpersonal.phantom.population import _scene

VARIANTS = get_modality("cxr").variants


SEVERITY = list(POPULATION).index("severity")


def first_visits(n):
    return np.stack([np.arange(n), np.zeros(n, dtype=int)], axis=1)


def first_images(n, size=64, **how):
    """Subjects and their first images, float [n, size, size]."""
    people = draw_subjects(n, **how)
    return people, render(people, first_visits(n), size)[:, 0].astype(np.float32)


def with_severity(people, severity):
    values = people.values.copy()
    values[:, SEVERITY] = np.log(severity / (1 - severity))
    return replace(people, values=values)


@pytest.fixture(scope="module")
def cohort():
    return phantom_cohort(400, 3, 32)


def test_shapes_counts_and_words(cohort):
    images, subjects, labels = cohort
    assert images.dtype == np.uint8 and images.shape == (len(subjects), 1, 32, 32)
    assert CLASSES == CHEST8 and len(set(subjects)) == 400 and set(labels) == set(CLASSES)
    counts = np.unique(np.array(subjects), return_counts=True)[1]
    assert counts.min() == 1 and counts.max() == 3 and 1.35 < counts.mean() < 1.65
    assert len({(s, la) for s, la in zip(subjects, labels, strict=True)}) == 400
    assert len(POPULATION) >= 25 and len(ACQUISITION) >= 5


@pytest.mark.slow
@pytest.mark.parametrize("size", [32, 47, 64, 96, 512])
def test_any_size_and_full_tonal_range(size):
    images, _, _ = phantom_cohort(6, 0, size)
    assert images.shape[2:] == (size, size)
    assert images.std(axis=(1, 2, 3)).min() > 30 and (images == 255).mean() < 0.05


@pytest.mark.slow
def test_every_size_shows_the_same_person():
    people = draw_subjects(8, seed=7)
    small, large = (render_raw(people, first_visits(8), size) for size in (64, 512))
    pooled = large.reshape(8, 64, 8, 64, 8).mean((2, 4))
    own = [np.corrcoef(one.ravel(), two.ravel())[0, 1] for one, two in zip(small, pooled, strict=True)]
    other = [np.corrcoef(one.ravel(), two.ravel())[0, 1] for one, two in zip(small, np.roll(pooled, 1, 0), strict=True)]
    assert min(own) > 0.985 and min(own) > max(other)


def test_wrong_arguments_are_input_errors():
    with pytest.raises(InputError, match="at least 32"):
        phantom_cohort(3, 0, 16)
    with pytest.raises(InputError, match=r"does not know effusion\. To mend it: choose among No Finding, Atelectasis"):
        draw_subjects(3, seed=0, findings=("No Finding", "effusion"))
    for findings in ((), ("Edema", "Edema")):
        with pytest.raises(InputError, match="each finding once"):
            draw_subjects(3, seed=0, findings=findings)
    with pytest.raises(InputError, match="'pet'"):
        draw_subjects(3, seed=0, modality="pet")


def test_a_modality_without_what_every_drawing_needs_is_refused():
    chest = get_modality("cxr")
    parts = {name: getattr(chest, name) for name in Modality.__dataclass_fields__}
    for name, lost in (("population", "severity"), ("acquisition", "scale"), ("population", "build")):
        shorter = {key: value for key, value in parts[name].items() if key != lost}
        with pytest.raises(ValueError, match=lost):
            Modality(**{**parts, name: shorter})


@pytest.mark.slow
@pytest.mark.parametrize("size", [32, 64])
def test_deterministic_and_independent_of_what_is_drawn_beside(size):
    people = draw_subjects(70, seed=5)
    held = [(), ("scoliosis",), ("pacemaker", "nodules"), ("missing_rib",), ("dextrocardia",)]
    people = replace(people, variants=tuple(held[i % len(held)] for i in range(70)))
    visits = draw_visits(people)
    whole = render(people, visits, size)
    np.testing.assert_array_equal(whole, render(people, visits, size))
    some = np.array([61, 3, 44, 17])
    np.testing.assert_array_equal(whole[some], render(people, visits[some], size))
    assert not np.array_equal(whole[:8], render(draw_subjects(70, seed=6), visits[:8], size))


def test_a_longer_draw_begins_with_the_shorter_and_streams_differ():
    long, short = draw_subjects(70, seed=5), draw_subjects(12, seed=5)
    np.testing.assert_array_equal(short.values, long.values[:12])
    assert (short.ids, short.labels, short.variants) == (long.ids[:12], long.labels[:12], long.variants[:12])
    np.testing.assert_array_equal(draw_visits(short), draw_visits(long)[: len(draw_visits(short))])
    assert not np.array_equal(draw_subjects(12, seed=5, stream="other").values, short.values)


def test_choosing_findings_changes_nothing_but_the_labels():
    every, few = draw_subjects(80, seed=5), draw_subjects(80, seed=5, findings=("Edema", "No Finding", "Pneumonia"))
    np.testing.assert_array_equal(every.values, few.values)
    assert few.labels == tuple(("Edema", "No Finding", "Pneumonia")[i % 3] for i in range(80))
    assert every.variants == few.variants
    same = [i for i in range(80) if every.labels[i] == few.labels[i]]
    visits = first_visits(80)[same]
    assert len(same) >= 5
    np.testing.assert_array_equal(render(every, visits, 32), render(few, visits, 32))


def test_no_two_images_are_equal(cohort):
    assert len({image.tobytes() for image in cohort[0]}) == len(cohort[0])


def test_population_parameters_follow_the_documented_model():
    values = draw_subjects(6000, seed=1).values
    mean, deviation = np.array(list(POPULATION.values())).T
    # a normal cut at 2.5 has standard deviation about 0.99 of the uncut one
    assert np.abs((values.mean(0) - mean) / deviation).max() < 0.06
    assert np.abs(values.std(0) / deviation - 0.99).max() < 0.05
    assert np.abs((values - mean) / deviation).max() <= 2.5 + 1e-3
    # the couplings that are documented and, within 4.5 standard errors, no other
    correlation = np.corrcoef(values.T)[list(POPULATION).index("build")]
    for name, found in zip(POPULATION, correlation, strict=True):
        assert abs(found - ({"build": 1.0} | dict(get_modality("cxr").build)).get(name, 0.0)) < 0.06, name


def test_same_subject_is_closer_than_other_subjects():
    people = draw_subjects(64, seed=9)
    visits = np.array([[i, k] for i in range(64) for k in range(2)])
    flat = render(people, visits, 32).reshape(128, -1).astype(np.float64)
    scores = PCA(40, random_state=0).fit_transform(flat)
    distance = np.linalg.norm(scores[:, None] - scores[None], axis=2)
    one, two = np.triu_indices(128, 1)
    same = visits[one, 0] == visits[two, 0]
    assert roc_auc_score(same, -distance[one, two]) > 0.9
    # also among subjects with the same label, so that the finding is not what identifies
    alike = (visits[one, 0] % 8) == (visits[two, 0] % 8)
    assert roc_auc_score(same[alike], -distance[one, two][alike]) > 0.85


def band(images):
    """Structures between 2 and 16 pixels, of unit variance in each image, flat."""
    passed = gaussian_filter(images, (0, 1, 1)) - gaussian_filter(images, (0, 8, 8))
    return (passed / passed.std((1, 2), keepdims=True)).reshape(len(images), -1)


@pytest.mark.slow
def test_every_finding_can_be_learned():
    """Kernel ridge regression (closed form) on 200 principal components, tried on people of another stream."""
    (people, images), (others, tests) = first_images(2400, seed=3), first_images(800, seed=3, stream="fresh")
    pca = PCA(200, svd_solver="randomized", random_state=0).fit(band(images))
    train, test = (pca.transform(band(x)) / pca.explained_variance_**0.25 for x in (images, tests))

    def squared(x):
        return (x * x).sum(1)[:, None] + (train * train).sum(1) - 2 * x @ train.T

    within = squared(train)
    reach = np.median(within) / 2
    targets = np.array([[label == name for name in CLASSES] for label in people.labels]) - 1 / len(CLASSES)
    weights = np.linalg.solve(np.exp(-within / reach) + 0.05 * np.eye(len(train)), targets)
    scores = np.exp(-squared(test) / reach) @ weights
    truth = np.array(others.labels)
    for column, name in enumerate(CLASSES):
        assert roc_auc_score(truth == name, scores[:, column]) > 0.9, name
    lobe, patch = CLASSES.index("Consolidation"), CLASSES.index("Pneumonia")
    both = np.isin(truth, ("Consolidation", "Pneumonia"))
    assert roc_auc_score(truth[both] == "Consolidation", (scores[:, lobe] - scores[:, patch])[both]) > 0.9


@pytest.mark.slow
@pytest.mark.parametrize("name", CLASSES[1:])
def test_a_worse_finding_shows_more(name):
    """In each person, the picture moves away from the healthy one as severity grows, and every step is visible."""
    ill = draw_subjects(16, seed=11, findings=(name,))
    well = render_raw(draw_subjects(16, seed=11, findings=("No Finding",)), first_visits(16), 64)
    levels = (0.05, 0.2, 0.4, 0.6, 0.8, 0.95)
    drawn = [render_raw(with_severity(ill, level), first_visits(16), 64) for level in levels]
    change = np.array([np.abs(image - well).mean((1, 2)) for image in drawn])
    assert change[0].min() > 0.002
    assert (np.diff(change.mean(1)) > 0).all()
    assert (np.diff(change, axis=0) > 0).mean() > 0.95


def test_severity_acts_as_described():
    """Heart and fluid brighten what was air, a pneumothorax darkens, oedema whitens both lungs alike."""

    def drawn(name, level):
        people = replace(draw_subjects(16, seed=11, findings=(name,)), variants=((),) * 16)
        return render_raw(with_severity(people, level), first_visits(16), 64)

    well = drawn("No Finding", 0.5)
    width = [(drawn("Cardiomegaly", level) - well > 0.08)[:, 30:46].any(1).sum(1).mean() for level in (0.1, 0.5, 0.9)]
    assert width[0] >= 2 and width[1] > width[0] + 1 and width[2] > width[1] + 1
    fluid = [(drawn("Pleural Effusion", level) - well > 0.15).any(2).sum(1).mean() for level in (0.1, 0.5, 0.9)]
    assert fluid[1] > fluid[0] + 2 and fluid[2] > fluid[1] + 2
    air = [(drawn("Pneumothorax", level) - well < -0.02).sum((1, 2)).mean() for level in (0.1, 0.5, 0.9)]
    assert air[1] > 1.3 * air[0] and air[2] > 1.2 * air[1]
    haze = drawn("Edema", 0.9) - well
    right, left = haze[:, 16:40, 10:26].mean((1, 2)), haze[:, 16:40, 38:54].mean((1, 2))
    assert (right > 0.03).all() and (left > 0.03).all()
    lobe = np.abs(drawn("Consolidation", 0.9) - well)
    right, left = lobe[:, 10:50, 10:26].mean((1, 2)), lobe[:, 10:50, 38:54].mean((1, 2))
    assert (np.maximum(right, left) > 5 * np.minimum(right, left)).all()


def test_severity_belongs_to_the_subject_and_moves_between_visits():
    people = draw_subjects(300, seed=2)
    one, two = (severities(people, np.stack([np.arange(300), np.full(300, k)], axis=1)) for k in (0, 1))
    assert one.min() > 0 and one.max() < 1 and np.corrcoef(one, two)[0, 1] > 0.85
    assert 0.02 < np.abs(one - two).mean() < 0.15
    # what `severities` says is what is drawn
    visits = draw_visits(people)[:40]
    drawn = _scene(get_modality("cxr"), people, visits, 32).severity[:, 0]
    np.testing.assert_allclose(severities(people, visits), drawn, rtol=1e-6)


def test_variants_occur_as_often_as_documented_whatever_the_label():
    people = draw_subjects(20_000, seed=8)
    for name, share in VARIANTS.items():
        has = np.array([name in held for held in people.variants])
        assert stats.binomtest(int(has.sum()), 20_000, share).pvalue > 0.001, name
        table = [[(has & (np.arange(20_000) % 8 == i)).sum(), 2500] for i in range(8)]
        assert stats.chi2_contingency(table).pvalue > 0.001, name
    assert set().union(*people.variants) == set(VARIANTS)
    assert min(VARIANTS.values()) > 0.003 and max(VARIANTS.values()) <= 0.02


@pytest.mark.slow
@pytest.mark.parametrize("name", VARIANTS)
def test_variants_are_visible(name):
    """The picture with the variant differs from the one without by more than another visit's noise would explain."""
    people = draw_subjects(24, seed=13, findings=("No Finding",))
    bare, rare = (replace(people, variants=(held,) * 24) for held in ((), (name,)))
    without, having = (render_raw(p, first_visits(24), 64) for p in (bare, rare))
    change = gaussian_filter(having - without, (0, 1, 1))
    assert (np.abs(change).max((1, 2)) > 0.05).all()
    touched = (np.abs(change) > 0.02).mean((1, 2))
    assert (touched > 0.001).all() and touched.max() < 0.6
    np.testing.assert_array_equal(render_raw(bare, first_visits(24), 64), without)


@pytest.mark.slow
def test_variants_make_outliers():
    """What 60 principal components of ordinary people cannot express is larger with a pacemaker."""
    people = draw_subjects(500, seed=15, findings=("No Finding",))
    people = replace(people, variants=tuple(("pacemaker",) if i < 40 else () for i in range(500)))
    flat = gaussian_filter(render_raw(people, first_visits(500), 64), (0, 1, 1)).reshape(500, -1)
    ordinary = PCA(60, random_state=0).fit(flat[100:])
    fine = flat[:100] - ordinary.inverse_transform(ordinary.transform(flat[:100]))
    residual = np.abs(fine).max(1)
    assert roc_auc_score(np.arange(100) < 40, residual) > 0.95


@pytest.mark.slow
def test_fresh_draws_are_exchangeable_with_the_cohort():
    one, two = (first_images(300, 32, seed=4, stream=stream)[1].reshape(300, -1) for stream in ("cohort", "fresh"))
    basis = np.random.default_rng(0).standard_normal((20, 1024))
    p_values = [stats.ks_2samp(one @ row, two @ row).pvalue for row in basis]
    p_values += [stats.ks_2samp(f(one), f(two)).pvalue for f in (lambda x: x.mean(1), lambda x: x.std(1))]
    assert min(p_values) > 0.01 / len(p_values)


def two_sample(one, two):
    """AUROC on the second halves of a classifier that learned to tell the first halves apart; its 99 % half width."""
    half = len(one) // 2
    pca = PCA(40, whiten=True, random_state=0).fit(np.concatenate([one[:half], two[:half]]))
    model = LogisticRegression(C=0.1, max_iter=500).fit(
        pca.transform(np.concatenate([one[:half], two[:half]])), np.repeat([0, 1], half)
    )
    scores = model.decision_function(pca.transform(np.concatenate([one[half:], two[half:]])))
    # standard deviation of the Mann-Whitney statistic where both samples are one population
    spread = np.sqrt((2 * half + 1) / (12 * half * half))
    return roc_auc_score(np.repeat([0, 1], half), scores), 2.58 * spread


@pytest.mark.slow
def test_a_classifier_cannot_tell_streams_apart_but_finds_a_changed_population():
    images = {stream: first_images(800, 32, seed=4, stream=stream) for stream in ("cohort", "fresh", "third")}
    flat = {stream: image.reshape(800, -1) for stream, (_, image) in images.items()}
    value, half = two_sample(flat["cohort"], flat["fresh"])
    assert abs(value - 0.5) < half
    people = images["third"][0]
    people.column("heart_width")[:] += 1.0 * POPULATION["heart_width"][1]
    changed = render(people, first_visits(800), 32).reshape(800, -1).astype(np.float32)
    value, half = two_sample(flat["cohort"], changed)
    assert value > 0.5 + half
