"""Exact and near copies, on phantoms whose people are known to be different, with planted copies of every kind."""

from __future__ import annotations

import io
import json
import math
import os
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy import stats
from scipy.ndimage import gaussian_filter

from unpersonal.cohort.inspect import copy_embedding, near_copies
from unpersonal.cohort.inspect.copy_embedding import perceptual_hash, thumbnails
from unpersonal.cohort.inspect.duplicates import find_duplicates
from unpersonal.cohort.inspect.near_copies import CERTAIN, HIGHEST, LOWEST, PLAIN, fit_threshold
from unpersonal.cohort.inspect.planted_copies import ALTERATIONS
from unpersonal.metrics.intervals import clopper_pearson_lower
from unpersonal.phantom import draw_subjects, phantom_cohort, render


@pytest.fixture(scope="module")
def cohort():
    images, subjects, _ = phantom_cohort(450, 11, 64)
    return images, subjects, [f"{i:064x}" for i in range(len(subjects))]


def altered(images, rows, kinds, seed=0):
    rng = np.random.default_rng(seed)
    return np.stack([ALTERATIONS[kinds[k % len(kinds)]](images[row, 0], rng)[None] for k, row in enumerate(rows)])


def grown(cohort, images, names="copy"):
    """The cohort with further images, each of a subject of its own."""
    extra = [f"{names}-{i}" for i in range(len(images))]
    return np.concatenate([cohort[0], images]), cohort[1] + extra, cohort[2] + extra


# exact copies


def test_exact_copies_are_told_apart_within_and_across_subjects():
    rng = np.random.default_rng(0)
    pictures = rng.integers(0, 256, (4, 1, 32, 32), dtype=np.uint8)
    #         a: twice in one subject, b: three times in two subjects, c and d once
    images = pictures[[0, 0, 1, 1, 1, 2, 3]]
    subjects = ["p", "p", "p", "p", "q", "q", "r"]
    found = find_duplicates(images, subjects, list("abcdefg"))
    assert (found.within.groups, found.within.pairs) == (2, 2)
    assert found.within.listed == ((0, 1), (2, 3))
    assert (found.across.groups, found.across.pairs, found.across.images) == (1, 2, 3)
    assert found.across.listed == ((2, 4), (3, 4)) and found.across.examples == ((2, 3, 4),)
    assert found.identical_files == 0  # the same pixels in files that differ
    assert find_duplicates(images, subjects, list("aabbbcd")).identical_files == 5


def test_frames_of_one_file_are_not_copies_and_given_digests_are_used():
    images = np.random.default_rng(1).integers(0, 256, (3, 1, 32, 32), dtype=np.uint8)
    same_file = find_duplicates(images, ["p", "q", "r"], ["x", "x", "x"])
    assert same_file.across.pairs == 0 and same_file.identical_files == 0
    by_digest = find_duplicates(images, ["p", "q", "r"], ["x", "y", "z"], ["1", "1", "2"])
    assert by_digest.across.listed == ((0, 1),)


@pytest.mark.slow
def test_one_subject_and_wrong_shapes(cohort):
    images = cohort[0][:5]
    assert find_duplicates(images, ["p"] * 5, list("abcde")).near is None
    assert find_duplicates(images[:0], [], []).across.pairs == 0
    for bad in (images.astype(np.float32), images[:, 0], images[:, :, :4]):
        with pytest.raises(ValueError, match="uint8"):
            find_duplicates(bad, list("abcde"), list("abcde"))
    with pytest.raises(ValueError, match="length"):
        find_duplicates(images, list("abcde"), list("abcd"))


def test_result_holds_no_subject_and_is_json(cohort):
    found = find_duplicates(cohort[0][:30], cohort[1][:30], cohort[2][:30])
    text = json.dumps(found.figures().to_json(), allow_nan=False)
    assert "sub-" not in text and "examples" not in text and "listed" not in text


# near copies


@pytest.mark.slow
def test_different_people_are_not_reported(cohort):
    found = find_duplicates(*cohort).near
    assert found.pairs == 0 and found.complete
    assert LOWEST <= found.threshold <= HIGHEST and found.strangers < found.threshold - 0.2
    assert set(found.recall) == set(ALTERATIONS) and min(found.recall.values()) >= 0.95


def person_of(subjects, originals):
    """Who is really on each row, given the rows that the appended copies were made from."""
    return [*subjects, *(subjects[row] for row in originals)]


def false_alarms(pairs, person):
    return [(one, other) for one, other in pairs if person[one] != person[other]]


@pytest.mark.slow
@pytest.mark.parametrize("kind", ALTERATIONS)
def test_planted_copies_are_found(cohort, kind):
    rows = np.random.default_rng(3).choice(len(cohort[0]), 60, replace=False)
    found = find_duplicates(*grown(cohort, altered(cohort[0], rows, [kind])), examples=100)
    planted = {(int(row), len(cohort[0]) + k) for k, row in enumerate(rows)}
    assert not false_alarms(found.near.listed, person_of(cohort[1], rows))
    hits = len(planted & set(found.near.listed))
    assert clopper_pearson_lower(hits, len(planted)) > 0.85, hits


@pytest.mark.slow
def test_copies_in_another_format_and_size_survive_preparation():
    """The whole way: 224 px originals, saved small as JPEG, brought to 64 px with a resampling of its own."""
    large, subjects, _ = phantom_cohort(70, 5, 224)
    copies = []
    for image in large[:30, 0]:
        stream = io.BytesIO()
        Image.fromarray(image).resize((150, 150), Image.Resampling.LANCZOS).save(stream, "JPEG", quality=60)
        copies.append(Image.open(io.BytesIO(stream.getvalue())))
    pictures = [Image.fromarray(image[0]) for image in large] + copies
    prepared = np.stack([np.asarray(p.resize((64, 64), Image.Resampling.BICUBIC))[None] for p in pictures])
    names = subjects + [f"copy-{i}" for i in range(30)]
    found = find_duplicates(prepared, names, [str(i) for i in range(len(names))], examples=100).near
    planted = {(k, len(subjects) + k) for k in range(30)}
    assert len(planted & set(found.listed)) >= 29


@pytest.mark.slow
def test_many_copies_neither_hide_each_other_nor_raise_false_alarms(cohort):
    images, subjects, contents = (part[:450] for part in cohort)
    rows = np.arange(150)
    whole = grown((images, subjects, contents), altered(images, rows, list(ALTERATIONS)))
    found = find_duplicates(*whole, examples=1000).near
    planted = {(int(row), 450 + k) for k, row in enumerate(rows)}
    assert len(planted & set(found.listed)) >= 142
    assert not false_alarms(found.listed, person_of(subjects, rows))


@pytest.mark.slow
def test_one_picture_under_many_subjects_is_found_and_said_to_be_a_lower_bound(cohort):
    images = cohort[0][:400].copy()
    images[:150] = altered(cohort[0], [500] * 150, ["noisy", "brighter", "re-encoded"])
    found = find_duplicates(images, [str(i) for i in range(400)], cohort[2][:400])
    assert found.near.images + found.across.images >= 100
    assert not found.near.complete


def test_few_images_are_compared_without_a_basis(cohort):
    images, subjects, contents = (part[:40] for part in cohort)
    assert find_duplicates(images, subjects, contents).near.pairs == 0
    found = find_duplicates(*grown((images, subjects, contents), altered(images, [0, 5, 9], ["flatter"])))
    assert {(0, 40), (5, 41), (9, 42)} <= set(found.near.listed)


def alike(n, difference, seed=0):
    """Images of n strangers: one picture, plus a smooth pattern of each one's own and noise, of a few grey levels."""
    rng = np.random.default_rng(seed)
    base = 128 + 60 * gaussian_filter(rng.normal(size=(64, 64)), 2)
    own = gaussian_filter(rng.normal(size=(n, 64, 64)), (0, 4, 4))
    own *= difference / own.std(axis=(1, 2), keepdims=True)
    return np.clip(base + own + rng.normal(0, 3, own.shape), 0, 255).astype(np.uint8)[:, None]


@pytest.mark.slow
@pytest.mark.parametrize("n", [8, 15, 40, 110, 400])
@pytest.mark.parametrize("difference", [1, 2, 4])
def test_strangers_who_are_alike_are_no_copies_and_blindness_is_measured(n, difference):
    names = [str(i) for i in range(n)]
    for seed in range(3 if n < 100 else 1):
        near = find_duplicates(alike(n, difference, seed), names, names).near
        assert near.pairs == 0 and near.listed == () and not near.examples
        assert near.planted == min(n, 128)
        assert near.worst_kind == "noisy"
        # patterns that are lost in the noise that is planted; more strangers teach the basis what to look at
        if difference < 4 or n < 400:
            assert near.least_recall("noisy") < 0.2 and near.found("noisy") < 0.3 * n


@pytest.mark.slow
def test_copies_among_strangers_who_are_alike_are_still_found():
    images = alike(100, 3)
    copies = altered(images, range(30), ["re-encoded", "flatter"])
    names = [str(i) for i in range(130)]
    near = find_duplicates(np.concatenate([images, copies]), names, names).near
    assert set(near.listed) <= {(row, 100 + row) for row in range(30)} and near.pairs >= 24


@pytest.mark.slow
def test_what_cannot_be_told_is_not_reported():
    """Most images are alike in small crowds: no threshold lies between these strangers and copies."""
    varied = alike(160, 30, 99)
    rng = np.random.default_rng(0)
    crowds = np.clip(np.repeat(varied, 3, 0) + rng.normal(0, 1, (480, 1, 64, 64)), 0, 255).astype(np.uint8)
    names = [str(i) for i in range(len(crowds))]
    near = find_duplicates(crowds, names, names).near
    assert near.too_alike and near.pairs == near.images == 0 and near.listed == () == near.examples
    assert find_duplicates(varied, names[:160], names[:160]).near.too_alike is False


@pytest.mark.slow
def test_deterministic_and_indifferent_to_blocks_tiles_and_storage(cohort, tmp_path, monkeypatch):
    images, subjects, contents = grown(tuple(part[:300] for part in cohort), altered(cohort[0], [3, 7], ["noisy"]))
    plain = find_duplicates(images, subjects, contents)
    np.save(tmp_path / "images.npy", images)
    steps = []
    mapped = np.load(tmp_path / "images.npy", mmap_mode="r", allow_pickle=False)
    monkeypatch.setattr(near_copies, "TILE", 64)
    monkeypatch.setattr(copy_embedding, "CHUNK", 50)
    again = find_duplicates(mapped, subjects, contents, advance=steps.append)
    assert sum(steps) == len(images) and len(steps) > 1
    assert again.near.listed == plain.near.listed and again.within == plain.within
    assert again.near.threshold == pytest.approx(plain.near.threshold, abs=1e-4)


def test_colour_and_odd_sizes(cohort):
    images = np.repeat(cohort[0][:100, :, 2:-3, 2:-3], 3, axis=1)
    copy = np.clip(images[:2] * np.array([1.0, 0.9, 0.8])[:, None, None], 0, 255).astype(np.uint8)
    found = find_duplicates(np.concatenate([images, copy]), [*cohort[1][:100], "x", "y"], [*cohort[2][:100], "x", "y"])
    assert {(0, 100), (1, 101)} <= set(found.near.listed)


# the parts


def test_thumbnails_average_areas():
    image = np.random.default_rng(0).integers(0, 256, (2, 3, 96, 64), dtype=np.uint8)
    expected = image.mean(axis=1).reshape(2, 32, 3, 32, 2).mean(axis=(2, 4))
    np.testing.assert_allclose(thumbnails(image), expected, atol=1e-3)


def test_hash_is_the_sign_of_low_dct_coefficients():
    from scipy.fft import dctn

    small = np.random.default_rng(0).normal(size=(5, 32, 32)).astype(np.float32)
    low = dctn(small, axes=(1, 2), type=2)[:, :8, :8].reshape(5, 64)
    expected = low > np.median(low[:, 1:], axis=1, keepdims=True)
    np.testing.assert_array_equal(perceptual_hash(small), expected)
    np.testing.assert_array_equal(perceptual_hash(small * 3 + 40)[:, 1:], expected[:, 1:])


def second_largest(size, place, scale, seed=0):
    """The two largest of a Gumbel law, float64 [size] each: exp(-(z - place) / scale) are the first two arrivals."""
    arrivals = np.random.default_rng(seed).exponential(size=(2, size)).cumsum(axis=0)
    return place - scale * np.log(arrivals)


def test_threshold_meets_the_expected_number_where_the_law_is_known(monkeypatch):
    n, place, scale = 10_000, 0.5, 0.06
    first, second = second_largest(200_000, place, scale)
    threshold, expected = fit_threshold(np.tanh(second), n)
    assert math.atanh(threshold) == pytest.approx(place + scale * math.log(n / 0.1), abs=0.01)
    assert expected == pytest.approx(0.1, rel=1e-3)
    # up to half of the second nearest may be copies and move nothing
    spoiled = np.where(second > np.quantile(second, 0.51), 4.0, second)
    assert fit_threshold(np.tanh(spoiled), n)[0] == pytest.approx(threshold, abs=1e-3)
    for level in (0.55, 0.65):
        monkeypatch.setattr(near_copies, "LOWEST", level)
        monkeypatch.setattr(near_copies, "HIGHEST", level)
        _, expected = fit_threshold(np.tanh(second), n)
        assert expected == pytest.approx((np.tanh(first) >= level).mean() * n, rel=0.1)


def test_thresholds_stay_within_their_limits():
    _, second = second_largest(1000, 0.3, 0.06)
    high, chance = fit_threshold(np.tanh(second + 2), 1000)
    assert high == HIGHEST and chance > 900 and fit_threshold(np.tanh(second - 0.5), 1000)[0] == LOWEST
    assert fit_threshold(np.tanh(second - 0.5), 1000, plain=True)[0] == PLAIN
    alike = math.tanh(2.3), math.tanh(2.4)
    assert alike[1] < fit_threshold(np.linspace(*alike, 100), 1000, plain=True)[0] < CERTAIN
    assert fit_threshold(np.zeros(0), 1000, plain=True) == (PLAIN, None)
    assert fit_threshold(np.linspace(0.5, 0.6, 19), 30, plain=True) == (PLAIN, None)


@pytest.mark.slow
@pytest.mark.parametrize("wanted", [10, 1])
@pytest.mark.parametrize("kind", ["cxr", "ct", "mri"])
def test_people_known_to_be_different_are_not_mistaken_more_often_than_expected(monkeypatch, kind, wanted):
    n = 500
    people = draw_subjects(n, seed=3, modality=kind)
    images = render(people, np.stack([np.arange(n), np.zeros(n, int)], axis=1), size=64)
    for name, value in {"EXPECTED_FALSE": wanted, "LOWEST": 0.0, "HIGHEST": CERTAIN}.items():
        monkeypatch.setattr(near_copies, name, value)
    near = find_duplicates(images, [str(i) for i in range(n)], [str(i) for i in range(n)]).near
    assert near.expected_false == pytest.approx(wanted, rel=0.1)
    assert near.images <= 2 * stats.poisson.ppf(0.999, wanted / 2)  # they come in pairs


def test_tiles_cover_every_pair_once(monkeypatch):
    monkeypatch.setattr(near_copies, "TILE", 7)
    met = Counter()
    for rows, columns in near_copies._tiles(23):
        met.update((i, j) for i in range(23)[rows] for j in range(23)[columns] if i < j)
    assert len(met) == 23 * 22 // 2 and set(met.values()) == {1}


# real radiographs


def test_kermany_has_34_exact_pairs_and_no_near_copy():
    path = os.environ.get("UNPERSONAL_KERMANY")
    if not path:
        pytest.skip("UNPERSONAL_KERMANY does not name the zip of the Kermany radiographs")
    from unpersonal.core.hashing import sha256_bytes
    from unpersonal.images.archives import open_archive
    from unpersonal.layouts.known.kermany import KERMANY

    archive = open_archive(Path(path))
    names = archive.image_names()
    images, contents = np.empty((len(names), 1, 64, 64), np.uint8), []
    for row, name in enumerate(names):
        data = archive.open_bytes(name)
        contents.append(sha256_bytes(data))
        images[row, 0] = Image.open(io.BytesIO(data)).convert("L").resize((64, 64), Image.Resampling.BICUBIC)
    matches = [KERMANY.search(name) for name in names]
    found = find_duplicates(images, [match["subject"] or match["normal"] for match in matches], contents)
    assert found.within.pairs == 33 and found.across.pairs == 1
    ((one, other),) = found.across.listed
    assert {"IM-0095", "IM-0096"} == {matches[one]["normal"], matches[other]["normal"]}
    assert found.near.pairs == 0 and min(found.near.recall.values()) >= 0.95
