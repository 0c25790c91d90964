"""Kinds of copies are what they say, and as strong as their name says."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy import fft, ndimage

from unpersonal.matching.kinds import KINDS, MAY_BE_BLIND, PICTURE_KINDS, Kind, in_words, kind, names
from unpersonal.phantom import phantom_cohort


@pytest.fixture(scope="module")
def images() -> np.ndarray:
    return phantom_cohort(12, 1, 64)[0]


@pytest.mark.parametrize("name", [found.name for found in PICTURE_KINDS])
def test_every_kind_copies_grey_and_colour_at_every_strength_and_leaves_its_input(images, name):
    found = kind(name)
    mine, hosts = images[:6], images[6:]
    before = mine.tobytes()
    for strength in found.strengths:
        copies = found.copies(mine, hosts, strength, np.random.default_rng(0))
        again = found.copies(mine, hosts, strength, np.random.default_rng(0))
        assert np.array_equal(copies, again) and mine.tobytes() == before
        changed = [not np.array_equal(copy, image) for copy, image in zip(copies, mine, strict=True)]
        assert all(changed) == (name != "exact")
        colour = found.copies(mine.repeat(3, axis=1), hosts.repeat(3, axis=1), strength, np.random.default_rng(0))
        assert colour.shape == (6, 3, 64, 64)


def test_the_simple_ones_against_numpy(images):
    rng, none = np.random.default_rng(0), images[:0]
    assert np.array_equal(kind("mirror").copies(images, none, 1, rng), images[..., ::-1])
    assert np.array_equal(kind("polarity").copies(images, none, 1, rng), 255 - images)
    assert np.array_equal(kind("right-angle").copies(images, none, 180, rng), images[..., ::-1, ::-1])
    halves = kind("average").copies(images[:1], images[1:2], 0.5, rng).astype(int)
    assert np.abs(halves - (images[:1].astype(int) + images[1:2]) / 2).max() <= 0.5


def test_a_region_has_its_share_of_the_area_and_the_rest_is_the_hosts(images):
    black, white = np.zeros_like(images), np.full_like(images, 255)
    for strength in kind("region").strengths:
        copies = kind("region").copies(white, black, strength, np.random.default_rng(0))
        assert (copies == 255).mean() == pytest.approx(strength, rel=0.05)
    halves = kind("half").copies(white, black, 0.5, np.random.default_rng(0))
    assert (halves == 255).mean(axis=(1, 2, 3)) == pytest.approx(0.5)


def test_crops_show_a_window_of_the_picture():
    ramp = np.tile(np.arange(64, dtype=np.uint8) * 4, (1, 1, 64, 1))
    copy = kind("crop").copies(ramp, ramp[:0], 0.6, np.random.default_rng(3))[0, 0, 32]
    assert 0.55 < (float(copy[50]) - float(copy[14])) / (4 * 36) < 0.65, "the slope is that of the window"


def test_names_say_the_strength_where_there_are_several():
    assert kind("rotation").named(15) == "rotation 15°" and kind("mirror").named(1) == "mirror"
    assert len({found.name for found in KINDS}) == len(KINDS)
    assert len(set(names())) == len(names()) and set(MAY_BE_BLIND) <= set(names())


def test_every_kind_has_words_of_its_own_with_its_strength():
    assert in_words("rotation 15°") == "turned by 15°" and in_words("mirror") == "mirrored"
    assert in_words("mirrored-crop") == "a square of 0.75 of the side, mirrored"
    assert in_words("somebody's own kind") == "somebody's own kind"
    words = [in_words(name) for name in names()]
    assert not any("{" in text for text in words)
    assert len(set(words)) == len(words)


DOCS = Path(__file__).parents[2] / "docs" / "matching.md"


def table_row(found: Kind) -> str:
    """A kind as docs/matching.md lists it: "yes" and "" where it has one strength, else the strengths themselves."""
    title = found.in_words(found.strengths[0]) if len(found.strengths) == 1 else found.title.format("…")
    blind = tuple(strength for strength in found.strengths if found.named(strength) in MAY_BE_BLIND)

    def cell(chosen: tuple[float, ...]) -> str:
        if len(found.strengths) == 1:
            return "yes" if chosen else ""
        return ", ".join(f"{strength:g}{found.unit}" for strength in chosen)

    strengths = cell(found.strengths) if len(found.strengths) > 1 else ""
    return f"| {found.name} | {title} | {strengths} | {cell(found.promised)} | {cell(blind)} |"


def test_the_docs_list_every_kind_with_what_is_promised_of_it():
    section = DOCS.read_text(encoding="utf-8").split("## Kinds of copies")[1].split("\n## ")[0]
    rows = [line for line in section.splitlines() if line.startswith("| ")][2:]
    assert rows == [table_row(found) for found in KINDS]


def test_what_needs_others_says_so(images):
    with pytest.raises(ValueError, match="others"):
        kind("half").copies(images, images[:0], 0.5, np.random.default_rng(0))


SIDE, BASE, STEP = 100, 40, 2
"""A picture of places: grey is BASE + STEP times the column or row, so that it tells where a pixel was taken from."""
SEEDS = range(8)


def places(axis: int) -> np.ndarray:
    """uint8 [1, 1, SIDE, SIDE]: the picture of columns (0) or rows (1)."""
    ramp = BASE + STEP * np.arange(SIDE, dtype=np.uint8)
    return np.broadcast_to(ramp if axis == 0 else ramp[:, None], (1, 1, SIDE, SIDE)).copy()


def seen_map(name: str, strength: float, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Whence a copy takes its pixels, from the centre in sides, x before y: matrix [2, 2], shift [2], and what of the
    copy shows the picture at all, bool [SIDE, SIDE]."""

    def copy(image: np.ndarray) -> np.ndarray:
        return kind(name).copies(image, image[:0], strength, np.random.default_rng(seed))[0, 0].astype(float)

    inside = copy(np.full_like(places(0), 255)) - copy(np.zeros_like(places(0))) == 255
    well = ndimage.binary_erosion(inside, iterations=3)
    rows, columns = np.nonzero(well)
    centre = (SIDE - 1) / 2
    design = np.column_stack([(columns - centre) / SIDE, (rows - centre) / SIDE, np.ones(len(rows))])
    # Pillow cuts greys off where it should round: the picture upside down errs as much to the other side
    doubled = [copy(places(axis)) - copy(places(axis)[..., ::-1, ::-1]) for axis in (0, 1)]
    taken = np.column_stack([centre + grey[well] / (2 * STEP) for grey in doubled])
    found, *_ = np.linalg.lstsq(design, (taken - centre) / SIDE, rcond=None)
    assert np.abs(design @ found - (taken - centre) / SIDE).max() < 1 / SIDE, "an affine map is all that was done"
    return found[:2].T, found[2], inside


def tried(*kinds: str) -> list[tuple[str, float]]:
    return [(name, strength) for name in kinds for strength in kind(name).strengths]


@pytest.mark.parametrize(("name", "strength"), tried("rotation", "right-angle"))
def test_turns_are_of_their_angle(name, strength):
    signs = set()
    for seed in SEEDS:
        matrix, shift, _ = seen_map(name, strength, seed)
        angle = np.degrees(np.arctan2(matrix[1, 0], matrix[0, 0]))
        turned = np.array([[np.cos(np.radians(angle)), -np.sin(np.radians(angle))]])
        np.testing.assert_allclose(matrix[0], turned[0], atol=0.005)
        assert np.linalg.det(matrix) == pytest.approx(1, abs=0.01) and np.abs(shift).max() < 0.01
        if name == "rotation":
            assert abs(angle) == pytest.approx(strength, abs=0.3)
        else:
            assert angle % 360 == pytest.approx(strength, abs=0.3)
        signs.add(np.sign(angle))
    assert name != "rotation" or signs == {-1.0, 1.0}


@pytest.mark.parametrize(
    ("name", "strength"), tried("crop", "mirrored-crop", "zoom", "frame", "letterbox", "squash", "mirror", "exact")
)
def test_scales_are_what_the_name_says_along_each_side(name, strength):
    """Sizes along the two sides, of what is seen in the picture or of the picture in what is seen."""
    expected = {
        "crop": (strength, strength),
        "mirrored-crop": (-strength, strength),
        "zoom": (1 / strength, 1 / strength),
        "frame": (1 / strength, 1 / strength),
        "letterbox": (1, 1 / strength),
        "squash": (strength, 1),
        "mirror": (-1, 1),
        "exact": (1, 1),
    }[name]
    either = name in ("letterbox", "squash")
    shifts, along = [], set()
    for seed in SEEDS:
        matrix, shift, inside = seen_map(name, strength, seed)
        found = np.diag(matrix)
        assert np.abs(matrix - np.diag(found)).max() < 0.005
        np.testing.assert_allclose(np.sort(found) if either else found, expected, rtol=0.01)
        assert inside.mean() == pytest.approx(np.prod([min(1, 1 / abs(value)) for value in expected]), abs=0.05)
        shifts.append(shift)
        along.add(int(np.argmax(found)))
    free = (1 - strength) / 2 if name.endswith("crop") else 0
    assert np.abs(shifts).max() <= free + 0.01 and np.ptp(shifts, axis=0).min() >= free
    assert not either or along == {0, 1}


@pytest.mark.parametrize(("name", "strength"), tried("shift"))
def test_shifts_are_of_their_length_in_any_direction(name, strength):
    found = [seen_map(name, strength, seed) for seed in SEEDS]
    for matrix, shift, _ in found:
        np.testing.assert_allclose(matrix, np.eye(2), atol=0.005)
        assert np.hypot(*shift) == pytest.approx(strength, abs=0.004)
    assert len({tuple(np.sign(shift)) for _, shift, _ in found}) > 1


@pytest.mark.parametrize(("name", "strength"), tried("exposure"))
def test_exposures_are_of_their_gamma_or_its_inverse(name, strength):
    greys = np.tile(np.arange(256, dtype=np.uint8).reshape(1, 1, 16, 16), (8, 1, 1, 1))
    copies = kind(name).copies(greys, greys[:0], strength, np.random.default_rng(0))
    middle = (greys > 40) & (greys < 215)
    bent = np.log(copies / 255.0, where=middle, out=np.full(greys.shape, np.nan))
    exponents = np.nanmedian(bent / np.log(greys / 255.0, where=middle, out=np.ones(greys.shape)), axis=(1, 2, 3))
    np.testing.assert_allclose(np.maximum(exponents, 1 / exponents), strength, rtol=0.01)
    assert (exponents > 1).any() and (exponents < 1).any()


@pytest.mark.parametrize(("name", "strength"), tried("noise"))
def test_noise_has_its_deviation_and_is_new_in_every_pixel(name, strength):
    grey = np.full((4, 1, 64, 64), 128, np.uint8)
    noise = (kind(name).copies(grey, grey[:0], strength, np.random.default_rng(0)).astype(float) - 128) / 255
    assert noise.std() == pytest.approx(strength, rel=0.05) and abs(noise.mean()) < strength / 20
    beside = noise[..., 1:].ravel() @ noise[..., :-1].ravel() / np.square(noise[..., 1:]).sum()
    assert abs(beside) < 0.05 and abs(np.corrcoef(noise.reshape(4, -1))[0, 1]) < 0.1


@pytest.mark.parametrize(("name", "strength"), tried("blur"))
def test_blurs_are_of_their_width(name, strength):
    """The derivative of a blurred edge is the kernel: its deviation along either side."""
    for axis in (-1, -2):
        edge = np.where(np.arange(SIDE) < SIDE // 2, 0, 255).astype(np.uint8)
        image = np.broadcast_to(edge if axis == -1 else edge[:, None], (1, 1, SIDE, SIDE)).copy()
        copy = kind(name).copies(image, image[:0], strength, np.random.default_rng(0)).astype(float)
        kernel = np.diff(copy, axis=axis).mean(axis=-2 if axis == -1 else -1).ravel() / 255
        place = np.arange(len(kernel))
        middle = kernel @ place
        assert np.sqrt(kernel @ (place - middle) ** 2) / SIDE == pytest.approx(strength, rel=0.1)


@pytest.mark.parametrize(("name", "strength"), tried("jpeg"))
def test_jpegs_are_of_their_quality(images, name, strength):
    """As Pillow writes them at this quality: the coefficients of blocks are multiples of that quality's steps."""
    stream = io.BytesIO()
    Image.fromarray(images[0, 0]).save(stream, "JPEG", quality=int(strength))
    stored = Image.open(stream)
    steps = np.array(stored.quantization[0]).reshape(8, 8)
    copy = kind(name).copies(images[:1], images[:0], strength, np.random.default_rng(0))[0, 0]
    assert np.array_equal(copy, np.asarray(stored))
    blocks = copy.astype(float).reshape(8, 8, 8, 8).swapaxes(1, 2).reshape(-1, 8, 8) - 128
    inner = blocks[((blocks > -128) & (blocks < 127)).all(axis=(1, 2))]
    coarse = steps >= 12  # far above what rounding to whole greys moves a coefficient by
    multiples = fft.dctn(inner, axes=(1, 2), norm="ortho")[:, coarse] / steps[coarse]
    assert np.abs(multiples - np.rint(multiples)).mean() < 0.1
    assert (np.abs(np.rint(multiples)) > 0).any()


@pytest.mark.parametrize(("name", "strength"), tried("half", "region"))
def test_pieces_have_their_share_and_their_own_place(name, strength):
    """Even greys are the person's and odd ones the host's: every pixel says whose it is."""
    rng = np.random.default_rng(0)
    mine, hosts = (2 * rng.integers(0, 128, (24, 1, SIDE, SIDE), dtype=np.uint8) + odd for odd in (0, 1))
    hosts = hosts.astype(np.uint8)
    corners = set()
    for copy, image in zip(kind(name).copies(mine, hosts, strength, rng)[:, 0], mine[:, 0], strict=True):
        own = copy % 2 == 0
        assert np.array_equal(copy[own], image[own]) and any(np.array_equal(copy[~own], h[0][~own]) for h in hosts)
        assert own.mean() == pytest.approx(strength, abs=0.015)
        rows, columns = np.flatnonzero(own.any(axis=1)), np.flatnonzero(own.any(axis=0))
        assert own[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1].all(), "one rectangle"
        assert name == "half" or len(rows) == len(columns)
        corners.add((rows[0], columns[0], rows[-1]))
    assert len(corners) == 4 if name == "half" else len(corners) > 12


@pytest.mark.parametrize(("name", "strength"), tried("average", "average-of-three"))
def test_mixtures_are_of_their_weights(images, name, strength):
    """Least squares on the person and the only other picture there is."""
    share = strength if name == "average" else 1 / strength
    copies = kind(name).copies(images[:6], images[6:7], strength, np.random.default_rng(0)).astype(float)
    for copy, image in zip(copies, images[:6], strict=True):
        parts = np.column_stack([image.ravel(), images[6].ravel()]).astype(float)
        weights, *_ = np.linalg.lstsq(parts, copy.ravel(), rcond=None)
        np.testing.assert_allclose(weights, (share, 1 - share), atol=0.01)


def test_the_mean_of_three_takes_two_others_at_random(images):
    shares = []
    for seed in SEEDS:
        copy = kind("average-of-three").copies(images[:1], images[1:4], 3, np.random.default_rng(seed))
        parts = np.column_stack([image.ravel() for image in images[:4]]).astype(float)
        shares.append(np.linalg.lstsq(parts, copy.ravel().astype(float), rcond=None)[0])
    thirds = np.rint(3 * np.array(shares))
    np.testing.assert_allclose(shares, thirds / 3, atol=0.02)
    assert (thirds[:, 0] == 1).all() and (thirds[:, 1:].max(axis=1) == 1).any()


def test_every_kind_is_measured():
    """Whoever adds a kind measures it here."""
    measured = {"rotation", "right-angle", "shift", "exposure", "noise", "blur", "jpeg", "half", "region", "polarity"}
    measured |= {"crop", "mirrored-crop", "zoom", "frame", "letterbox", "squash", "mirror", "exact"}
    assert {found.name for found in PICTURE_KINDS} == measured | {"average", "average-of-three"}
