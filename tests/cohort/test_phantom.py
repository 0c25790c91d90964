"""The phantom: deterministic, a real population, with findings that can be learned."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image
from scipy import stats
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

from unpersonal.cohort.phantom import (
    ACQUISITION,
    CLASSES,
    POPULATION,
    draw_subjects,
    draw_visits,
    phantom_cohort,
    render,
    write_phantom,
)
from unpersonal.core.errors import InputError


@pytest.fixture(scope="module")
def cohort():
    return phantom_cohort(420, 3, 32)


@pytest.fixture(scope="module")
def fresh():
    return phantom_cohort(210, 3, 32, stream="fresh")


def test_shapes_counts_and_words(cohort):
    images, subjects, labels = cohort
    assert images.dtype == np.uint8 and images.shape == (len(subjects), 1, 32, 32)
    assert len(set(subjects)) == 420 and set(labels) == set(CLASSES)
    counts = np.unique(np.array(subjects), return_counts=True)[1]
    assert counts.min() == 1 and counts.max() == 3 and 1.35 < counts.mean() < 1.65
    assert len({(s, la) for s, la in zip(subjects, labels, strict=True)}) == 420
    assert len(POPULATION) >= 25 and len(ACQUISITION) >= 5


@pytest.mark.parametrize("size", [32, 47, 64, 96])
def test_any_size_and_full_tonal_range(size):
    images, _, _ = phantom_cohort(6, 0, size)
    assert images.shape[2:] == (size, size)
    assert images.std(axis=(1, 2, 3)).min() > 30 and (images == 255).mean() < 0.05


def test_too_small_is_an_input_error():
    with pytest.raises(InputError, match="at least 32"):
        phantom_cohort(3, 0, 16)


def test_deterministic_and_independent_of_what_is_drawn_beside():
    people = draw_subjects(70, seed=5)
    visits = draw_visits(people)
    whole = render(people, visits, 32)
    np.testing.assert_array_equal(whole, render(people, visits, 32))
    some = np.array([61, 3, 44, 17])
    np.testing.assert_array_equal(whole[some], render(people, visits[some], 32))
    np.testing.assert_array_equal(draw_subjects(12, seed=5).values, people.values[:12])
    assert not np.array_equal(whole[:8], render(draw_subjects(70, seed=6), visits[:8], 32))
    assert not np.array_equal(draw_subjects(12, seed=5, stream="other").values, people.values[:12])


def test_no_two_images_are_equal(cohort):
    assert len({image.tobytes() for image in cohort[0]}) == len(cohort[0])


def test_population_parameters_follow_the_documented_model():
    values = draw_subjects(6000, seed=1).values
    mean, deviation = np.array(list(POPULATION.values())).T
    # a normal cut at 2.5 has standard deviation about 0.99 of the uncut one
    assert np.abs((values.mean(0) - mean) / deviation).max() < 0.06
    assert np.abs(values.std(0) / deviation - 0.99).max() < 0.05
    assert np.abs((values - mean) / deviation).max() <= 2.5 + 1e-3


def test_same_subject_is_closer_than_other_subjects():
    people = draw_subjects(60, seed=9)
    visits = np.array([[i, k] for i in range(60) for k in range(2)])
    flat = render(people, visits, 32).reshape(120, -1).astype(np.float64)
    scores = PCA(40, random_state=0).fit_transform(flat)
    distance = np.linalg.norm(scores[:, None] - scores[None], axis=2)
    upper = np.triu_indices(120, 1)
    same = visits[upper[0], 0] == visits[upper[1], 0]
    assert roc_auc_score(same, -distance[upper]) > 0.9
    # also among subjects with the same label, so that the finding is not what identifies
    alike = (upper[0] // 2 % 3) == (upper[1] // 2 % 3)
    assert roc_auc_score(same[alike], -distance[upper][alike]) > 0.85


def test_findings_can_be_learned_and_vary_in_severity(cohort, fresh):
    pca = PCA(60, whiten=True, random_state=0).fit(cohort[0].reshape(len(cohort[0]), -1) / 255.0)
    model = LogisticRegression(C=0.05, max_iter=500).fit(
        pca.transform(cohort[0].reshape(len(cohort[0]), -1) / 255.0), cohort[2]
    )
    predicted = model.predict_proba(pca.transform(fresh[0].reshape(len(fresh[0]), -1) / 255.0))
    for column, label in enumerate(model.classes_):
        assert roc_auc_score(np.array(fresh[2]) == label, predicted[:, column]) > 0.92, label


def test_fresh_draws_are_exchangeable_with_the_cohort():
    one, two = (draw_subjects(300, seed=4, stream=stream) for stream in ("cohort", "fresh"))
    first = np.stack([np.arange(300), np.zeros(300, dtype=int)], axis=1)
    pairs = [render(people, first, 32).reshape(300, -1).astype(float) for people in (one, two)]
    basis = np.random.default_rng(0).standard_normal((20, 1024))
    p_values = [stats.ks_2samp(pairs[0] @ row, pairs[1] @ row).pvalue for row in basis]
    p_values += [stats.ks_2samp(f(pairs[0]), f(pairs[1])).pvalue for f in (lambda x: x.mean(1), lambda x: x.std(1))]
    assert min(p_values) > 0.01 / len(p_values)


def test_written_folder_holds_the_same_pixels(tmp_path):
    folder = tmp_path / "phantom"
    count = write_phantom(folder, 9, seed=2, size=32)
    images, subjects, labels = phantom_cohort(9, 2, 32)
    files = sorted(folder.rglob("*.png"))
    assert len(files) == count == len(images)
    assert {file.parent.name for file in files} == set(CLASSES)
    number: dict[str, int] = {}
    for image, subject, label in zip(images, subjects, labels, strict=True):
        k = number[subject] = number.get(subject, -1) + 1
        np.testing.assert_array_equal(np.asarray(Image.open(folder / label / f"{subject}_{k}.png")), image[0])


def test_a_folder_in_use_is_refused(tmp_path):
    (tmp_path / "kept.txt").write_text("mine")
    with pytest.raises(InputError, match="exists"):
        write_phantom(tmp_path, 3, seed=0, size=32)
    assert [p.name for p in tmp_path.iterdir()] == ["kept.txt"]
