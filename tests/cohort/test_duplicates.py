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

from unpersonal.cohort import duplicates as module
from unpersonal.cohort.duplicates import (
    ALTERATIONS,
    HIGHEST,
    LOWEST,
    find_duplicates,
    fit_threshold,
    perceptual_hash,
    thumbnails,
)
from unpersonal.cohort.phantom import phantom_cohort
from unpersonal.metrics.intervals import clopper_pearson_lower


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
    text = json.dumps(found.figures(), allow_nan=False)
    assert "sub-" not in text and "examples" not in text and "listed" not in text


# near copies


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


@pytest.mark.parametrize("kind", ALTERATIONS)
def test_planted_copies_are_found(cohort, kind):
    rows = np.random.default_rng(3).choice(len(cohort[0]), 60, replace=False)
    found = find_duplicates(*grown(cohort, altered(cohort[0], rows, [kind])), examples=100)
    planted = {(int(row), len(cohort[0]) + k) for k, row in enumerate(rows)}
    assert not false_alarms(found.near.listed, person_of(cohort[1], rows))
    hits = len(planted & set(found.near.listed))
    assert clopper_pearson_lower(hits, len(planted)) > 0.85, hits


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


def test_many_copies_neither_hide_each_other_nor_raise_false_alarms(cohort):
    images, subjects, contents = (part[:450] for part in cohort)
    rows = np.arange(150)
    whole = grown((images, subjects, contents), altered(images, rows, list(ALTERATIONS)))
    found = find_duplicates(*whole, examples=1000).near
    planted = {(int(row), 450 + k) for k, row in enumerate(rows)}
    assert len(planted & set(found.listed)) >= 142
    assert not false_alarms(found.listed, person_of(subjects, rows))


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


def test_deterministic_and_indifferent_to_blocks_tiles_and_storage(cohort, tmp_path, monkeypatch):
    images, subjects, contents = grown(tuple(part[:300] for part in cohort), altered(cohort[0], [3, 7], ["noisy"]))
    plain = find_duplicates(images, subjects, contents)
    np.save(tmp_path / "images.npy", images)
    steps = []
    mapped = np.load(tmp_path / "images.npy", mmap_mode="r", allow_pickle=False)
    monkeypatch.setattr(module, "TILE", 64)
    monkeypatch.setattr(module, "CHUNK", 50)
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


def test_threshold_meets_the_expected_number_where_the_tail_is_known():
    # z = arctanh(score) exponential beyond its median with rate 0.05: P(z > m + t) = exp(-t / 0.05) / 2
    share = (np.arange(4000) + 0.5) / 4000
    z = 0.4 - 0.05 * np.log(2 * (1 - share))
    n = 10_000
    threshold, expected = fit_threshold(np.tanh(z), n)
    assert math.atanh(threshold) == pytest.approx(0.4 + 0.05 * math.log(0.5 * n / 0.1), abs=0.01) or threshold == LOWEST
    assert expected == pytest.approx(0.5 * n * math.exp(-(math.atanh(threshold) - 0.4) / 0.05), rel=0.1)
    assert fit_threshold(np.tanh(z + 2), n)[0] == HIGHEST and fit_threshold(np.tanh(z - 0.5), n)[0] == LOWEST
    assert fit_threshold(np.ones(5), n) == (HIGHEST, None)


def test_tiles_cover_every_pair_once(monkeypatch):
    monkeypatch.setattr(module, "TILE", 7)
    met = Counter()
    for rows, columns in module._tiles(23):
        met.update((i, j) for i in range(23)[rows] for j in range(23)[columns] if i < j)
    assert len(met) == 23 * 22 // 2 and set(met.values()) == {1}


# real radiographs


def test_kermany_has_34_exact_pairs_and_no_near_copy():
    path = os.environ.get("UNPERSONAL_KERMANY")
    if not path:
        pytest.skip("UNPERSONAL_KERMANY does not name the zip of the Kermany radiographs")
    from unpersonal.cohort.layouts.kermany import KERMANY
    from unpersonal.cohort.sources import open_source
    from unpersonal.core.hashing import sha256_bytes

    source = open_source(Path(path))
    names = source.image_names()
    images, contents = np.empty((len(names), 1, 64, 64), np.uint8), []
    for row, name in enumerate(names):
        data = source.open_bytes(name)
        contents.append(sha256_bytes(data))
        images[row, 0] = Image.open(io.BytesIO(data)).convert("L").resize((64, 64), Image.Resampling.BICUBIC)
    matches = [KERMANY.search(name) for name in names]
    found = find_duplicates(images, [match["person"] or match["normal"] for match in matches], contents)
    assert found.within.pairs == 33 and found.across.pairs == 1
    ((one, other),) = found.across.listed
    assert {"IM-0095", "IM-0096"} == {matches[one]["normal"], matches[other]["normal"]}
    assert found.near.pairs == 0 and min(found.near.recall.values()) >= 0.95
