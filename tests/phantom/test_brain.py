"""The CT-like and the MRI-like phantom: populations with findings, in the units of their machines."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from unpersonal.core.errors import InputError
from unpersonal.phantom import draw_subjects, draw_visits, get_modality, phantom_cohort, render, render_raw
from unpersonal.phantom.brain import FIELD_MM, UNIT_MM, Head, draw_head, to_units
from unpersonal.phantom.population import _scene
from unpersonal.phantom.volume import render_volume

MODALITIES = ("ct", "mri")
FINDINGS = {
    "ct": {"No Finding", "Intracranial Hemorrhage", "Infarct", "Hydrocephalus"},
    "mri": {"No Finding", "Tumor", "White Matter Lesions", "Atrophy"},
}


def first_visits(n: int) -> np.ndarray:
    return np.stack([np.arange(n), np.zeros(n, dtype=int)], axis=1)


def people_with(modality: str, finding: str, n: int = 24, variant: str | None = None, severity: float | None = None):
    """Subjects of one finding; the same anatomy whatever the finding, variant and severity."""
    people = draw_subjects(n, seed=8, modality=modality, findings=[finding])
    if severity is not None:
        values = people.values.copy()
        values[:, list(get_modality(modality).population).index("severity")] = severity
        people = replace(people, values=values)
    return replace(people, variants=((variant,) if variant else (),) * n)


def head_maps(modality: str, n: int, size: int) -> Head:
    """The shares of tissue of healthy subjects' first visits, of the same geometry as the drawing's."""
    from unpersonal.phantom import brain_mri, head_ct

    module = {"ct": head_ct, "mri": brain_mri}[modality]
    scene = _scene(get_modality(modality), people_with(modality, "No Finding", n), first_visits(n), size)
    a = module._apply(scene)
    u, v, edge = to_units(scene)
    return draw_head(a, u, v, a["level"] + scene.visit["height"], edge)


@pytest.mark.parametrize("modality", MODALITIES)
def test_interface_is_that_of_the_chest(modality):
    kind = get_modality(modality)
    assert set(kind.classes) == FINDINGS[modality] and kind.classes[0] == "No Finding"
    assert len(kind.variants) >= 4 and all(0 < share < 0.05 for share in kind.variants.values())
    images, subjects, labels = phantom_cohort(40, 3, 48, modality=modality)
    assert images.dtype == np.uint8 and images.shape == (len(subjects), 1, 48, 48)
    assert len(set(subjects)) == 40 and set(labels) == FINDINGS[modality]
    assert images.std(axis=(1, 2, 3)).min() > 30 and len({image.tobytes() for image in images}) == len(images)
    only = phantom_cohort(6, 3, 32, modality=modality, findings=kind.classes[:2])[2]
    assert set(only) == set(kind.classes[:2])
    with pytest.raises(InputError, match="Fracture"):
        phantom_cohort(6, 3, 32, modality=modality, findings=["Fracture"])


@pytest.mark.parametrize("modality", MODALITIES)
def test_deterministic_and_independent_of_what_is_drawn_beside(modality):
    people = draw_subjects(40, seed=5, modality=modality)
    visits = draw_visits(people)
    whole = render(people, visits, 32)
    np.testing.assert_array_equal(whole, render(people, visits, 32))
    some = np.array([31, 3, 24, 17])
    np.testing.assert_array_equal(whole[some], render(people, visits[some], 32))
    assert not np.array_equal(whole[:4], render(draw_subjects(40, seed=6, modality=modality), visits[:4], 32))
    volumes = render_volume(people, visits[some], 32, 3)
    np.testing.assert_array_equal(volumes[1:2], render_volume(people, visits[some[1:2]], 32, 3))


@pytest.mark.slow
@pytest.mark.parametrize("modality", MODALITIES)
def test_same_subject_is_closer_than_other_subjects(modality):
    people = draw_subjects(60, seed=9, modality=modality)
    visits = np.array([[i, k] for i in range(60) for k in range(2)])
    flat = render(people, visits, 64).reshape(120, -1).astype(np.float64)
    scores = PCA(40, random_state=0).fit_transform(flat)
    distance = np.linalg.norm(scores[:, None] - scores[None], axis=2)
    upper = np.triu_indices(120, 1)
    same = visits[upper[0], 0] == visits[upper[1], 0]
    assert roc_auc_score(same, -distance[upper]) > 0.85
    # also among subjects with the same label, so that the finding is not what identifies
    alike = (upper[0] // 2 % 4) == (upper[1] // 2 % 4)
    assert roc_auc_score(same[alike], -distance[upper][alike]) > 0.85


def local_extremes(images: np.ndarray) -> np.ndarray:
    """Mean, maximum and minimum of 8 × 8 cells, also with each cell and its mirror sorted: float32 [m, features]."""
    halved = images[:, 0].astype(np.float32).reshape(len(images), 32, 2, 32, 2).mean(axis=(2, 4))
    cells = halved.reshape(len(images), 8, 4, 8, 4)
    maps = np.stack([cells.mean(axis=(2, 4)), cells.max(axis=(2, 4)), cells.min(axis=(2, 4))], axis=1)
    pairs = np.sort(np.stack([maps, maps[..., ::-1]], axis=-1)[..., :4, :], axis=-1)
    return np.concatenate([maps.reshape(len(images), -1), pairs.reshape(len(images), -1)], axis=1)


@pytest.mark.slow
@pytest.mark.parametrize("modality", MODALITIES)
def test_findings_can_be_learned_at_64_pixels(modality):
    images, _, labels = phantom_cohort(600, 3, 64, modality=modality)
    fresh, _, truth = phantom_cohort(240, 3, 64, stream="fresh", modality=modality)
    model = make_pipeline(StandardScaler(), LogisticRegression(C=0.01, max_iter=300))
    predicted = model.fit(local_extremes(images), labels).predict_proba(local_extremes(fresh))
    for column, label in enumerate(model.classes_):
        assert roc_auc_score(np.array(truth) == label, predicted[:, column]) > 0.9, label


@pytest.mark.slow
@pytest.mark.parametrize("modality", MODALITIES)
def test_fresh_draws_are_exchangeable_with_the_cohort(modality):
    one, two = (draw_subjects(200, seed=4, stream=stream, modality=modality) for stream in ("cohort", "fresh"))
    flat = [render(people, first_visits(200), 32).reshape(200, -1).astype(float) for people in (one, two)]
    basis = np.random.default_rng(0).standard_normal((20, 1024))
    p_values = [stats.ks_2samp(flat[0] @ row, flat[1] @ row).pvalue for row in basis]
    assert min(p_values) > 0.01 / len(p_values)


@pytest.mark.slow
@pytest.mark.parametrize("modality", MODALITIES)
def test_a_more_severe_finding_changes_more(modality):
    healthy = render_raw(people_with(modality, "No Finding"), first_visits(24), 64)
    for finding in sorted(FINDINGS[modality] - {"No Finding"}):
        changes = []
        for severity in (-2.0, 2.0):
            ill = render_raw(people_with(modality, finding, severity=severity), first_visits(24), 64)
            # the same seeds draw the same noise, so that nothing but the finding differs
            changes.append(np.abs(ill - healthy).mean(axis=(1, 2)))
        assert changes[0].min() > 0 and (changes[1] > changes[0]).mean() > 0.9, finding


@pytest.mark.parametrize("modality", MODALITIES)
def test_each_variant_shows_and_only_where_it_is(modality):
    plain = render_raw(people_with(modality, "No Finding", 8), first_visits(8), 64)
    for variant in get_modality(modality).variants:
        people = people_with(modality, "No Finding", 8, variant)
        people = replace(people, variants=people.variants[:4] + ((),) * 4)
        shown = np.abs(render_raw(people, first_visits(8), 64) - plain).max(axis=(1, 2))
        # 20 units of noise would be 8 of its deviations in Hounsfield units; the noise is the same and cancels
        assert shown[:4].min() > (20 if modality == "ct" else 100), variant
        assert shown[4:].max() == 0, variant


def test_hounsfield_units_of_the_tissues():
    values = render_raw(people_with("ct", "No Finding"), first_visits(24), 128).reshape(24, -1)
    head = head_maps("ct", 24, 128)
    inside = head.inner > 0.05
    fluid = inside & (head.fluid > 0.99) & (head.plexus == 0) & (np.abs(head.x) > 0.03)
    white = inside & (head.grey + head.nuclei + head.fluid + head.falx + head.plexus < 0.01)
    nuclei = inside & (head.nuclei > 0.99) & (head.fluid + head.grey == 0)
    bone = np.abs(head.bone / head.thickness - 0.5) < 0.3
    assert abs(values[head.depth < -0.05].mean() + 1000) < 5
    assert values[bone].mean() > 700 and np.percentile(values[bone], 10) > 400
    assert abs(values[fluid].mean() - 6) < 4
    assert 26 < values[white].mean() < 32 and 35 < values[nuclei].mean() < 41
    assert values[fluid].mean() + 15 < values[white].mean() < values[nuclei].mean() - 5


def test_blood_is_dense_and_an_infarct_is_not():
    healthy = render_raw(people_with("ct", "No Finding"), first_visits(24), 64)
    bled = render_raw(people_with("ct", "Intracranial Hemorrhage"), first_visits(24), 64)
    stroke = render_raw(people_with("ct", "Infarct"), first_visits(24), 64)
    for image, before in zip(bled, healthy, strict=True):
        fresh_blood = (image > 55) & (image < 90) & (before < 45) & (before > -20)
        assert fresh_blood.sum() >= 6
    lower = (stroke < healthy - 5) & (healthy > 20) & (healthy < 50)
    assert (lower.sum(axis=(1, 2)) > 30).all()


def test_hydrocephalus_and_atrophy_enlarge_the_fluid_spaces():
    for modality, finding, low, high in (("ct", "Hydrocephalus", -5, 16), ("mri", "Atrophy", 90, 230)):
        count = []
        for label in ("No Finding", finding):
            image = render_raw(people_with(modality, label), first_visits(24), 96)[:, 24:72, 24:72]
            count.append(((image > low) & (image < high)).sum(axis=(1, 2)))
        assert (count[1] > 1.25 * count[0]).all(), finding


def test_t1_contrast_and_rician_floor():
    values = render_raw(people_with("mri", "No Finding"), first_visits(24), 128).reshape(24, -1)
    head = head_maps("mri", 24, 128)
    inside = head.inner > 0.08
    fluid = values[inside & (head.fluid > 0.99) & (head.plexus == 0)].mean()
    nuclei = values[inside & (head.nuclei > 0.99) & (head.fluid + head.grey == 0)].mean()
    white = values[inside & (head.grey + head.nuclei + head.fluid + head.falx + head.plexus < 0.01)].mean()
    assert fluid < nuclei < white and white > 3 * fluid
    noise = draw_noise(24)
    air = np.where(head.depth < -0.05, values, np.nan)
    # without signal the magnitude follows a Rayleigh distribution: mean sigma · sqrt(pi / 2)
    np.testing.assert_allclose(np.nanmean(air, axis=1), noise * np.sqrt(np.pi / 2), rtol=0.03)


def draw_noise(n: int) -> np.ndarray:
    """The noise level of the first visits of `people_with("mri", …)`."""
    return _scene(get_modality("mri"), people_with("mri", "No Finding", n), first_visits(n), 32).visit["noise"][:, 0]


@pytest.mark.parametrize("modality", MODALITIES)
def test_volumes_change_smoothly_with_height(modality):
    people = people_with(modality, "No Finding", 6)
    volume = render_volume(people, first_visits(6), 64, 8)
    assert volume.shape == (6, 8, 64, 64) and volume.dtype == np.float32
    middle = render_volume(people, first_visits(6), 64, 1)[:, 0]
    noise = {"ct": 12.0, "mri": 80.0}[modality]
    # a volume of one slice is the image itself under other noise
    assert np.abs(middle - render_raw(people, first_visits(6), 64)).max() < noise * 2
    distance = np.abs(volume[:, :, None] - volume[:, None]).mean(axis=(0, 3, 4))
    for k in range(6):
        assert distance[k, k + 1] < distance[k, k + 2]
    threshold = {"ct": -500.0, "mri": 120.0}[modality]
    area = (volume > threshold).sum(axis=(2, 3))
    assert (area[:, 0] > 1.05 * area[:, 7]).all()


def test_a_volume_of_radiographs_and_odd_sizes_are_refused():
    with pytest.raises(InputError, match="no volumes"):
        render_volume(draw_subjects(2, seed=0), first_visits(2), 64, 8)
    people = draw_subjects(2, seed=0, modality="ct")
    with pytest.raises(InputError, match="1 to 16 slices"):
        render_volume(people, first_visits(2), 64, 17)
    with pytest.raises(InputError, match="at least 32"):
        render_volume(people, first_visits(2), 16, 8)


def test_heads_fit_the_field_of_view():
    for modality in MODALITIES:
        images = render_raw(draw_subjects(120, seed=2, modality=modality), first_visits(120), 64)
        border = np.concatenate([images[:, 0], images[:, -1], images[:, :, 0], images[:, :, -1]], axis=1)
        assert (border > {"ct": -900, "mri": 150}[modality]).mean() < 0.002
    assert FIELD_MM < 2 * UNIT_MM
