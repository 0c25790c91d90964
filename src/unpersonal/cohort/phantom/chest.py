"""A procedural chest radiograph: the embedded default data set, and a population that can be sampled without end.

Legend: n subjects, m images, p = size² pixels, P subject parameters, Q visit parameters. Anatomical coordinates are u
(left to right in the image) and v (head to foot), both -1..1 over the image when the pose is neutral. A drawing is a
sum of optical densities D (soft tissue and bone add, air subtracts); the detector shows 1 - exp(-D) after exposure and
gamma, bone bright and air dark.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from ...core.errors import InputError
from ...core.files import atomic_folder
from ...core.progress import progress_bar
from ...core.seeds import numpy_rng

CLASSES = ("normal", "effusion", "cardiomegaly")
VISIT_SHARES = (0.6, 0.3, 0.1)
MIN_SIZE = 32
BATCH = 32
RIBS = 8
WAVES = 6

# Population of the anatomy: name -> (mean, standard deviation), normal and cut at 2.5 standard deviations; lengths in
# half image widths. `build` (habitus) also moves the parameters in BUILD, by that many of their standard deviations.
POPULATION: dict[str, tuple[float, float]] = {
    "build": (0.0, 1.0),
    "tissue": (0.90, 0.09),
    "thorax_width": (0.80, 0.055),
    "thorax_taper": (0.13, 0.05),
    "shoulder_height": (-0.86, 0.05),
    "shoulder_slope": (0.34, 0.09),
    "neck_width": (0.24, 0.03),
    "arm_gap": (0.10, 0.04),
    "lung_width_r": (0.29, 0.025),
    "lung_width_l": (0.27, 0.025),
    "lung_apex": (-0.78, 0.05),
    "lung_lean": (0.06, 0.03),
    "lung_shape": (2.4, 0.25),
    "lung_air": (0.98, 0.07),
    "dome_r": (0.50, 0.055),
    "dome_l": (0.57, 0.055),
    "dome_curve": (0.95, 0.25),
    "heart_width": (0.225, 0.014),
    "heart_height": (0.27, 0.025),
    "heart_tilt": (0.55, 0.16),
    "heart_shift": (0.10, 0.018),
    "heart_level": (0.27, 0.045),
    "heart_density": (0.75, 0.09),
    "mediastinum_width": (0.115, 0.018),
    "mediastinum_density": (0.34, 0.06),
    "arch_size": (0.075, 0.018),
    "arch_level": (-0.33, 0.05),
    "trachea_width": (0.040, 0.008),
    "trachea_shift": (0.0, 0.018),
    "carina_level": (-0.28, 0.05),
    "spine_width": (0.085, 0.011),
    "spine_density": (0.30, 0.06),
    "spine_curve": (0.0, 0.030),
    "spine_phase": (0.0, 2.0),
    "vertebra_pitch": (0.155, 0.012),
    "rib_first": (-0.74, 0.04),
    "rib_pitch": (0.178, 0.013),
    "rib_spread": (0.0, 0.010),
    "rib_drop": (0.23, 0.055),
    "rib_arch": (0.30, 0.07),
    "rib_width": (0.030, 0.005),
    "rib_density": (0.26, 0.055),
    "front_drop": (0.42, 0.07),
    "front_shift": (0.06, 0.045),
    "front_density": (0.12, 0.035),
    "clavicle_level": (-0.58, 0.045),
    "clavicle_slope": (0.20, 0.07),
    "clavicle_bend": (0.0, 0.05),
    "clavicle_asymmetry": (0.0, 0.025),
    "clavicle_density": (0.42, 0.07),
    "scapula_place": (0.66, 0.04),
    "scapula_slope": (-0.12, 0.06),
    "scapula_density": (0.16, 0.05),
    "hilum_level": (-0.05, 0.05),
    "hilum_density_r": (0.30, 0.07),
    "hilum_density_l": (0.30, 0.07),
    "breast_density": (0.16, 0.10),
    "breast_level": (0.38, 0.06),
    "breast_place": (0.46, 0.05),
    "stomach_air": (0.30, 0.14),
    "stomach_place": (0.40, 0.06),
    "vessel_gain": (0.075, 0.022),
    **{f"rib_jitter_r{i}": (0.0, 0.012) for i in range(RIBS)},
    **{f"rib_jitter_l{i}": (0.0, 0.012) for i in range(RIBS)},
    **{f"vessel_x{i}": (0.0, 5.0) for i in range(WAVES)},
    **{f"vessel_y{i}": (0.0, 5.0) for i in range(WAVES)},
    **{f"vessel_phase{i}": (0.0, 2.0) for i in range(WAVES)},
    "severity": (0.0, 1.0),
    "side": (0.0, 1.0),
}
BUILD = {
    "tissue": 0.8, "thorax_width": 0.6, "breast_density": 0.5, "heart_width": 0.3, "dome_r": -0.4, "dome_l": -0.4,
    "neck_width": 0.5, "lung_air": -0.3,
}  # fmt: skip
# Acquisition, drawn anew for every image: angle in radians, shifts in half image widths, scale and exposure relative.
ACQUISITION: dict[str, tuple[float, float]] = {
    "angle": (0.0, 0.025),
    "shift_u": (0.0, 0.018),
    "shift_v": (0.0, 0.022),
    "scale": (1.0, 0.018),
    "breath": (0.0, 0.018),
    "exposure": (1.0, 0.07),
    "gamma": (1.0, 0.08),
    "noise": (0.018, 0.006),
    "progress": (0.0, 0.3),
}
CUT = 2.5
_ANATOMY = {name: i for i, name in enumerate(POPULATION)}
_VISIT = {name: i for i, name in enumerate(ACQUISITION)}


@dataclass(frozen=True)
class Subjects:
    """`ids` (n names), `labels` (n of CLASSES), `values` float32 [n, P] in the order of POPULATION, and their seed."""

    ids: tuple[str, ...]
    labels: tuple[str, ...]
    values: np.ndarray
    seed: int
    stream: str

    def __len__(self) -> int:
        return len(self.ids)


def draw_subjects(n: int, *, seed: int, stream: str = "cohort") -> Subjects:
    """The first `n` subjects of a stream; every stream name is a fresh independent sample of the same population.

    Labels go round (each a third, whatever n is); everything else is independent between subjects. A longer draw
    begins with the shorter one.
    """
    z = numpy_rng(seed, "phantom", stream, "anatomy").standard_normal((n, len(POPULATION))).clip(-CUT, CUT)
    for name, weight in BUILD.items():
        z[:, _ANATOMY[name]] = weight * z[:, _ANATOMY["build"]] + np.sqrt(1 - weight**2) * z[:, _ANATOMY[name]]
    mean, deviation = np.array(list(POPULATION.values())).T
    values = (mean + deviation * z.clip(-CUT, CUT)).astype(np.float32)
    ids = tuple(f"sub-{i:05d}" for i in range(1, n + 1))
    return Subjects(ids, tuple(CLASSES[i % len(CLASSES)] for i in range(n)), values, seed, stream)


def draw_visits(subjects: Subjects, shares: Sequence[float] = VISIT_SHARES) -> np.ndarray:
    """Visits int64 [m, 2] of (row of the subject, number of the visit), 1..len(shares) for each subject, in order."""
    rng = numpy_rng(subjects.seed, "phantom", subjects.stream, "visits")
    counts = 1 + np.searchsorted(np.cumsum(shares)[:-1], rng.random(len(subjects)), side="right")
    rows = np.repeat(np.arange(len(subjects)), counts)
    numbers = np.arange(len(rows)) - np.repeat(np.cumsum(counts) - counts, counts)
    return np.stack([rows, numbers], axis=1).astype(np.int64)


def render(subjects: Subjects, visits: np.ndarray, size: int) -> np.ndarray:
    """Images uint8 [m, 1, size, size] of the visits int64 [m, 2] (subject row, visit number).

    An image depends on the seed, the stream, the subject, the visit number and the size only, never on what else is
    rendered with it.
    """
    if size < MIN_SIZE:
        raise InputError(f"The phantom has at least {MIN_SIZE} pixels a side, not {size}", how=f"use --size {MIN_SIZE}")
    images = np.empty((len(visits), 1, size, size), dtype=np.uint8)
    for start in range(0, len(visits), BATCH):
        batch = np.asarray(visits[start : start + BATCH])
        images[start : start + BATCH, 0] = _render_batch(subjects, batch, size)
    return images


def phantom_cohort(
    subjects: int, seed: int, size: int = 64, *, stream: str = "cohort"
) -> tuple[np.ndarray, list[str], list[str]]:
    """Images uint8 [m, 1, size, size], subject ids [m], labels [m]; 1 to 3 images a subject, on average 1.5."""
    people = draw_subjects(subjects, seed=seed, stream=stream)
    visits = draw_visits(people)
    rows = visits[:, 0]
    return render(people, visits, size), [people.ids[i] for i in rows], [people.labels[i] for i in rows]


def write_phantom(folder: Path, subjects: int, seed: int, size: int = 64) -> int:
    """Write a phantom cohort as `<label>/sub-00001_0.png`; returns the number of images.

    `folder` appears whole or not at all; one that exists and is not empty is an `InputError`.
    """
    if subjects < 1:
        raise InputError(f"A phantom cohort needs at least one subject, not {subjects}", how="use --subjects 300")
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise InputError("The folder for the phantom exists", where=str(folder), how="name a new folder")
    people = draw_subjects(subjects, seed=seed)
    visits = draw_visits(people)
    with atomic_folder(folder) as temporary, progress_bar("phantom", len(visits)) as bar:
        for label in CLASSES:
            (temporary / label).mkdir()
        for start in range(0, len(visits), BATCH):
            batch = visits[start : start + BATCH]
            for (row, number), image in zip(batch, render(people, batch, size), strict=True):
                name = f"{people.ids[row]}_{number}.png"
                Image.fromarray(image[0]).save(temporary / people.labels[row] / name)
            bar.advance(len(batch))
    return len(visits)


def _render_batch(subjects: Subjects, visits: np.ndarray, size: int) -> np.ndarray:
    """uint8 [b, size, size] of up to BATCH visits."""
    z, grain = _draw_acquisition(subjects, visits, size)
    mean, deviation = np.array(list(ACQUISITION.values()), dtype=np.float32).T
    q = {name: column[:, None] for name, column in zip(ACQUISITION, (mean + deviation * z).T, strict=True)}
    rows = visits[:, 0]
    a = {name: subjects.values[rows, i][:, None] for name, i in _ANATOMY.items()}
    labels = np.array(subjects.labels, dtype=object)[rows]
    u, v = _anatomical_grid(q, size)
    density = _density(_apply_findings(a, q, labels), u, v, np.float32(1.2 / size))
    shown = 1.0 - np.exp(-q["exposure"] * density)
    shown = np.clip(shown, 0.0, 1.0) ** q["gamma"]
    shown = shown + q["noise"] * (0.4 + shown) * grain
    return np.clip(np.rint(255.0 * shown), 0, 255).astype(np.uint8).reshape(-1, size, size)


def _draw_acquisition(subjects: Subjects, visits: np.ndarray, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Standard normals of the acquisition [b, Q] (cut) and of the detector noise [b, p], seeded image by image."""
    z = np.empty((len(visits), len(ACQUISITION)), dtype=np.float32)
    grain = np.empty((len(visits), size * size), dtype=np.float32)
    for i, (row, number) in enumerate(visits):
        rng = numpy_rng(subjects.seed, "phantom", subjects.stream, "image", int(row), int(number))
        z[i] = rng.standard_normal(len(ACQUISITION)).clip(-CUT, CUT)
        rng.standard_normal(out=grain[i], dtype=np.float32)
    return z, grain


def _anatomical_grid(q: dict[str, np.ndarray], size: int) -> tuple[np.ndarray, np.ndarray]:
    """Anatomical coordinates (u, v), float32 [b, p] each, of every pixel under the pose of each image."""
    axis = (np.arange(size, dtype=np.float32) + 0.5) * np.float32(2 / size) - 1
    y, x = (grid.reshape(1, -1) for grid in np.meshgrid(axis, axis, indexing="ij"))
    x, y = (x - q["shift_u"]) / q["scale"], (y - q["shift_v"]) / q["scale"]
    cos, sin = np.cos(q["angle"]), np.sin(q["angle"])
    return cos * x + sin * y, cos * y - sin * x


def _apply_findings(a: dict[str, np.ndarray], q: dict[str, np.ndarray], labels: np.ndarray) -> dict[str, np.ndarray]:
    """Anatomy [b, 1] each with the breath and the findings of this image worked in (adds `fluid_r`, `fluid_l`).

    Severity 0..1 belongs to the subject and moves a little between visits; the side of an effusion belongs to the
    subject (right, left or both). `fluid_*` is the height of the fluid above the dome, negative where there is none.
    """
    a = dict(a)
    severity = 1.0 / (1.0 + np.exp(-(a["severity"] + q["progress"])))
    wide = (labels == "cardiomegaly")[:, None] * (0.55 + 0.65 * severity)
    a["heart_width"] = a["heart_width"] * (1.0 + 0.55 * wide)
    a["heart_height"] = a["heart_height"] * (1.0 + 0.15 * wide)
    a["heart_shift"] = a["heart_shift"] + 0.045 * wide
    fluid = np.where((labels == "effusion")[:, None], 0.16 + 0.36 * severity, np.float32(-1.0))
    a["fluid_r"] = np.where(a["side"] < 0.4, fluid, np.float32(-1.0))
    a["fluid_l"] = np.where(a["side"] > -0.4, fluid, np.float32(-1.0))
    a["dome_r"], a["dome_l"] = a["dome_r"] + q["breath"], a["dome_l"] + q["breath"]
    return a


def _step(x: np.ndarray, softness: np.ndarray | np.floating | float) -> np.ndarray:
    """0 to 1 as x passes 0, a ramp of half-width 2·softness with smooth ends (cheaper than a logistic)."""
    t = np.clip(x * (0.25 / softness) + 0.5, 0.0, 1.0)
    return t * t * (3.0 - 2.0 * t)


def _bump(x: np.ndarray) -> np.ndarray:
    """(1 - x²)² inside |x| < 1, else 0: a smooth ridge with bounded support."""
    t = np.maximum(1.0 - x * x, 0.0)
    return t * t


def _density(a: dict[str, np.ndarray], u: np.ndarray, v: np.ndarray, edge: np.float32) -> np.ndarray:
    """Optical density float32 [b, p]; `edge` is the softness of sharp borders, about half a pixel."""
    soft = np.maximum(edge, np.float32(0.02))
    width = a["thorax_width"] - a["thorax_taper"] * v * v
    body = _body(a, u, v, width, soft)
    lungs = _lungs(a, u, v, soft)
    hilum = _hila(a, u, v)
    heart = _heart(a, u, v, soft)
    bones = _ribs(a, u, v, width, edge) + _clavicles(a, u, v, edge) + _scapulae(a, u, v, edge)
    middle = _mediastinum(a, u, v, soft) + _spine(a, u, v, edge)
    air = lungs * (a["lung_air"] - a["vessel_gain"] * _vessels(a, u, v) * (0.5 + hilum) - 0.45 * hilum)
    density = a["tissue"] * (1.22 + 0.28 * v - 0.12 * u * u) + _breasts(a, u, v) * (0.4 + 0.6 * lungs) - air
    density = density + heart * (0.35 + 0.65 * lungs) + middle + bones - _stomach(a, u, v) * (1.0 - lungs)
    return body * 0.5 * (density + np.sqrt(density * density + 0.16))


def _body(a: dict[str, np.ndarray], u: np.ndarray, v: np.ndarray, width: np.ndarray, soft: np.float32) -> np.ndarray:
    """1 inside the trunk, neck and shoulders, 0 in the air around them; arms begin behind a gap."""
    side = np.abs(u)
    beyond = np.maximum(side - a["neck_width"], 0.0)
    shoulder = a["shoulder_height"] + a["shoulder_slope"] * beyond * (0.4 + beyond)
    above = _step(v - shoulder, soft)
    neck = _step(a["neck_width"] - side, soft * 2.0)
    outer = width + 0.10 + 0.45 * np.maximum(-v - 0.25, 0.0)
    trunk = above * _step(outer - side, soft)
    arm = above * _step(side - outer - a["arm_gap"], soft) * 0.8
    return np.maximum(np.maximum(trunk, arm), neck)


def _lungs(a: dict[str, np.ndarray], u: np.ndarray, v: np.ndarray, soft: np.float32) -> np.ndarray:
    """Aerated share 0..1: superellipses cut by the diaphragm and by pleural fluid with its meniscus."""
    total = np.zeros_like(u)
    for sign, side in ((-1.0, "r"), (1.0, "l")):
        half_width, dome = a[f"lung_width_{side}"], a[f"dome_{side}"]
        centre = 0.13 + half_width
        x = (sign * u - centre - a["lung_lean"] * (v - 0.1)) / (half_width * 1.05)
        y = (v - 0.12) / (0.12 - a["lung_apex"])
        radius = np.abs(x) ** a["lung_shape"] + np.abs(y) ** a["lung_shape"]
        inside = _step((1.0 - radius) * half_width, soft * 1.3)
        floor = dome + a["dome_curve"] * 0.22 * (x - 0.1) ** 2 * np.where(x > 0.1, 1.6, 0.6)
        meniscus = dome + 0.12 - a[f"fluid_{side}"] - 0.16 * np.maximum(x, -0.3) ** 2
        total += inside * _step(np.minimum(floor, meniscus) - v, soft)
    return total


def _heart(a: dict[str, np.ndarray], u: np.ndarray, v: np.ndarray, soft: np.float32) -> np.ndarray:
    """A tilted ellipse, apex to the image's right."""
    x, y = u - a["heart_shift"], v - a["heart_level"]
    cos, sin = np.cos(a["heart_tilt"]), np.sin(a["heart_tilt"])
    along, across = cos * x + sin * y, cos * y - sin * x
    long_axis, short_axis = a["heart_width"] * 1.22, a["heart_height"] * 0.92
    radius = np.sqrt((along / long_axis) ** 2 + (across / short_axis) ** 2)
    return a["heart_density"] * _step((1.0 - radius) * a["heart_width"], soft * 1.5)


def _mediastinum(a: dict[str, np.ndarray], u: np.ndarray, v: np.ndarray, soft: np.float32) -> np.ndarray:
    """Central soft tissue with the aortic arch, less the air of the trachea above the carina."""
    band = a["mediastinum_density"] * _step(a["mediastinum_width"] - np.abs(u), soft * 2.0)
    arch = 0.5 * _bump(np.sqrt((u - 0.11) ** 2 + (v - a["arch_level"]) ** 2) / (1.5 * a["arch_size"]))
    trachea = _bump((u - a["trachea_shift"]) / (1.6 * a["trachea_width"])) * _step(a["carina_level"] - v, soft * 2.0)
    return band + arch - 0.40 * trachea


def _spine(a: dict[str, np.ndarray], u: np.ndarray, v: np.ndarray, edge: np.float32) -> np.ndarray:
    """Vertebral bodies, brighter than the disc spaces, along a slightly curved line."""
    place = u - a["spine_curve"] * np.sin(2.2 * v + a["spine_phase"])
    discs = 0.72 + 0.28 * np.cos((2 * np.pi) * v / a["vertebra_pitch"] + a["spine_phase"])
    return a["spine_density"] * discs * _step(a["spine_width"] - np.abs(place), np.maximum(edge, np.float32(0.015)))


def _ribs(a: dict[str, np.ndarray], u: np.ndarray, v: np.ndarray, width: np.ndarray, edge: np.float32) -> np.ndarray:
    """Posterior ribs, which fall outwards, and the fainter anterior ones, which fall inwards."""
    s = np.clip(np.abs(u) / width, 0.0, 1.1)
    left = u > 0
    half = a["rib_width"] * 1.5 + edge
    cage = _step(1.04 - s, np.float32(0.02)) * _step(s - 0.09, np.float32(0.02))
    back = v - a["rib_first"] - a["rib_drop"] * s * s * (0.6 + 0.4 * s) + a["rib_arch"] * s * (1.0 - s) * 0.6
    front = v - a["rib_first"] - a["front_shift"] - a["front_drop"] * (1.0 - s) + a["rib_arch"] * s * (1.0 - s)
    behind, before = np.zeros_like(u), np.zeros_like(u)
    for i in range(RIBS):
        level = i * a["rib_pitch"] + i * i * a["rib_spread"] * 0.15
        jitter = np.where(left, a[f"rib_jitter_l{i}"], a[f"rib_jitter_r{i}"])
        behind += _bump((back - level - jitter) / half)
        before += _bump((front - level + 0.7 * jitter) / half)
    front_fade = _step(s - 0.45, np.float32(0.08))
    outer = 1.0 + 0.5 * s * s
    return cage * outer * (a["rib_density"] * behind + a["front_density"] * before * front_fade)


def _clavicles(a: dict[str, np.ndarray], u: np.ndarray, v: np.ndarray, edge: np.float32) -> np.ndarray:
    """Two oblique bands from beside the midline up to the shoulders."""
    side = np.abs(u)
    line = a["clavicle_level"] - a["clavicle_slope"] * (side - 0.1) + a["clavicle_bend"] * np.sin(7.0 * side)
    line = line + a["clavicle_asymmetry"] * np.sign(u)
    extent = _step(side - 0.09, np.float32(0.02)) * _step(0.74 - side, np.float32(0.03))
    return a["clavicle_density"] * extent * _bump((v - line) / (0.052 + edge))


def _scapulae(a: dict[str, np.ndarray], u: np.ndarray, v: np.ndarray, edge: np.float32) -> np.ndarray:
    """The medial borders of the shoulder blades, faint, with the blade outside them."""
    place = np.abs(u) - a["scapula_place"] - a["scapula_slope"] * (v + 0.3)
    extent = _step(v + 0.68, np.float32(0.04)) * _step(0.10 - v, np.float32(0.06))
    return a["scapula_density"] * extent * (_bump(place / (0.035 + edge)) + 0.5 * _bump((place - 0.14) / 0.16))


def _hila(a: dict[str, np.ndarray], u: np.ndarray, v: np.ndarray) -> np.ndarray:
    """The lung roots: dense near the midline, fading outwards, 0..about 0.5."""
    root_r = _bump(np.sqrt((u + 0.20) ** 2 + 0.5 * (v - a["hilum_level"] - 0.03) ** 2) / 0.30)
    root_l = _bump(np.sqrt((u - 0.22) ** 2 + 0.5 * (v - a["hilum_level"] + 0.03) ** 2) / 0.30)
    return a["hilum_density_r"] * root_r + a["hilum_density_l"] * root_l


def _vessels(a: dict[str, np.ndarray], u: np.ndarray, v: np.ndarray) -> np.ndarray:
    """Bronchovascular markings: a few plane waves whose directions and phases belong to the subject; variance 1."""
    total = np.zeros_like(u)
    for i in range(WAVES):
        total += np.sin((4.0 + a[f"vessel_x{i}"]) * u + (3.0 + a[f"vessel_y{i}"]) * v + 2.0 * a[f"vessel_phase{i}"])
    return total * np.float32(np.sqrt(2.0 / WAVES))


def _breasts(a: dict[str, np.ndarray], u: np.ndarray, v: np.ndarray) -> np.ndarray:
    """Two soft shadows over the lower lungs."""
    x, y = np.abs(u) - a["breast_place"], v - a["breast_level"]
    return np.maximum(a["breast_density"], 0.0) * _bump(np.sqrt(x * x + 1.4 * y * y) / 0.36)


def _stomach(a: dict[str, np.ndarray], u: np.ndarray, v: np.ndarray) -> np.ndarray:
    """The gas bubble under the left dome."""
    x, y = (u - a["stomach_place"]) / 0.20, (v - a["dome_l"] - 0.20) / 0.11
    return np.maximum(a["stomach_air"], 0.0) * 1.6 * _bump(np.sqrt(x * x + y * y))
