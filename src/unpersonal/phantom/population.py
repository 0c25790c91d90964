"""Populations of procedural people, of any modality: drawing subjects and visits, rendering their images.

Legend: n subjects, m images, P subject parameters, Q visit parameters, b images of a batch, p = size² pixels.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from ..core.errors import InputError
from ..core.seeds import numpy_rng
from .modality import Modality, Scene, get_modality

VISIT_SHARES = (0.6, 0.3, 0.1)
MIN_SIZE = 32
CUT = 2.5
PIXELS = 8 * 64 * 64
"""Pixels drawn at once: as many as stay in the processor's cache through some hundred operations."""


@dataclass(frozen=True)
class Subjects:
    """Drawn people.

    `ids` (n names), `labels` (n of the modality's classes), `values` float32 [n, P] in the order of the modality's
    population, `seed` and `stream` they were drawn from, `modality`, and `variants`: the rare variants of each (n
    tuples of names, most of them empty).
    """

    ids: tuple[str, ...]
    labels: tuple[str, ...]
    values: np.ndarray
    seed: int
    stream: str
    modality: str
    variants: tuple[tuple[str, ...], ...]

    def __len__(self) -> int:
        return len(self.ids)

    def column(self, name: str) -> np.ndarray:
        """The parameter `name` of every subject, float32 [n], a view of `values`."""
        return self.values[:, list(get_modality(self.modality).population).index(name)]


def draw_subjects(
    n: int, *, seed: int, stream: str = "cohort", modality: str = "cxr", findings: Sequence[str] | None = None
) -> Subjects:
    """The first `n` subjects of a stream; every stream name is a fresh independent sample of the same population.

    Labels go round over `findings` (default: every class of the modality), so each is as frequent as the others;
    everything else is independent between subjects, and neither anatomy nor variants depend on the findings. A longer
    draw begins with the shorter one. An unknown modality or finding is an `InputError`.
    """
    kind = get_modality(modality)
    labels = _check_findings(kind, findings)
    names = list(kind.population)
    z = numpy_rng(seed, "phantom", modality, stream, "anatomy").standard_normal((n, len(names))).clip(-CUT, CUT)
    for name, weight in kind.build.items():
        i = names.index(name)
        z[:, i] = weight * z[:, names.index("build")] + np.sqrt(1 - weight**2) * z[:, i]
    mean, deviation = np.array(list(kind.population.values())).T
    values = (mean + deviation * z.clip(-CUT, CUT)).astype(np.float32)
    chance = numpy_rng(seed, "phantom", modality, stream, "variants").random((n, len(kind.variants)))
    has = chance < np.array(list(kind.variants.values()))
    variants = tuple(tuple(name for name, is_there in zip(kind.variants, row, strict=True) if is_there) for row in has)
    ids = tuple(f"sub-{i:05d}" for i in range(1, n + 1))
    return Subjects(ids, tuple(labels[i % len(labels)] for i in range(n)), values, seed, stream, modality, variants)


def draw_visits(subjects: Subjects, shares: Sequence[float] = VISIT_SHARES) -> np.ndarray:
    """Visits int64 [m, 2] of (row of the subject, number of the visit), 1..len(shares) for each subject, in order."""
    rng = numpy_rng(subjects.seed, "phantom", subjects.modality, subjects.stream, "visits")
    counts = 1 + np.searchsorted(np.cumsum(shares)[:-1], rng.random(len(subjects)), side="right")
    rows = np.repeat(np.arange(len(subjects)), counts)
    numbers = np.arange(len(rows)) - np.repeat(np.cumsum(counts) - counts, counts)
    return np.stack([rows, numbers], axis=1).astype(np.int64)


def render(subjects: Subjects, visits: np.ndarray, size: int) -> np.ndarray:
    """Images uint8 [m, 1, size, size] of the visits int64 [m, 2] (subject row, visit number), as a screen shows them.

    An image depends on the seed, the stream, the subject (with label and variants), the visit number and the size only,
    never on what else is rendered with it.
    """
    low, high = get_modality(subjects.modality).window
    images = np.empty((len(visits), 1, size, size), dtype=np.uint8)
    for rows, drawn in _batches(subjects, visits, size):
        shown = (drawn - np.float32(low)) * np.float32(255.0 / (high - low))
        images[rows, 0] = np.rint(shown.clip(0.0, 255.0))
    return images


def render_raw(subjects: Subjects, visits: np.ndarray, size: int) -> np.ndarray:
    """Images float32 [m, size, size] in the units of the modality (Hounsfield units of a CT), before any window."""
    images = np.empty((len(visits), size, size), dtype=np.float32)
    for rows, drawn in _batches(subjects, visits, size):
        images[rows] = drawn
    return images


def severities(subjects: Subjects, visits: np.ndarray) -> np.ndarray:
    """How severe the finding is in each visit, float32 [m] in 0..1 (of subjects without one: what it would be)."""
    kind = get_modality(subjects.modality)
    column = list(kind.acquisition).index("progress")
    mean, deviation = kind.acquisition["progress"]
    z = np.array([_visit_rng(subjects, row, k).standard_normal(len(kind.acquisition))[column] for row, k in visits])
    progress = mean + deviation * z.reshape(len(visits)).clip(-CUT, CUT)
    return _severity(subjects.column("severity")[np.asarray(visits)[:, 0]], progress.astype(np.float32))


def phantom_cohort(
    subjects: int,
    seed: int,
    size: int = 64,
    *,
    stream: str = "cohort",
    modality: str = "cxr",
    findings: Sequence[str] | None = None,
) -> tuple[np.ndarray, list[str], list[str]]:
    """Images uint8 [m, 1, size, size], subject ids [m], labels [m]; 1 to 3 images a subject, on average 1.5."""
    drawn = draw_subjects(subjects, seed=seed, stream=stream, modality=modality, findings=findings)
    visits = draw_visits(drawn)
    rows = visits[:, 0]
    return render(drawn, visits, size), [drawn.ids[i] for i in rows], [drawn.labels[i] for i in rows]


def batch_rows(size: int) -> int:
    """How many images of `size` pixels a side are drawn at once."""
    return max(1, PIXELS // (size * size))


def _check_findings(kind: Modality, findings: Sequence[str] | None) -> tuple[str, ...]:
    if findings is None:
        return kind.classes
    unknown = [name for name in findings if name not in kind.classes]
    if unknown or not findings or len(set(findings)) < len(findings):
        what = f"does not know {', '.join(unknown)}" if unknown else "takes each finding once, and at least one"
        raise InputError(f"The phantom of {kind.title} {what}", how=f"choose among {', '.join(kind.classes)}")
    return tuple(findings)


def _severity(logit: np.ndarray, progress: np.ndarray) -> np.ndarray:
    return 1.0 / (1.0 + np.exp(-(logit + progress)))


def _visit_rng(subjects: Subjects, row: int, number: int) -> np.random.Generator:
    return numpy_rng(subjects.seed, "phantom", subjects.modality, subjects.stream, "image", int(row), int(number))


def _batches(subjects: Subjects, visits: np.ndarray, size: int) -> Iterator[tuple[slice, np.ndarray]]:
    """Slices of the visits with their drawing float32 [b, size, size]."""
    if size < MIN_SIZE:
        raise InputError(f"The phantom has at least {MIN_SIZE} pixels a side, not {size}", how=f"use --size {MIN_SIZE}")
    kind = get_modality(subjects.modality)
    visits = np.asarray(visits)
    for start in range(0, len(visits), batch_rows(size)):
        rows = slice(start, start + batch_rows(size))
        yield rows, kind.draw(_scene(kind, subjects, visits[rows], size)).reshape(-1, size, size)


def _scene(kind: Modality, subjects: Subjects, visits: np.ndarray, size: int) -> Scene:
    z, grain = _draw_acquisition(kind, subjects, visits, size)
    mean, deviation = np.array(list(kind.acquisition.values()), dtype=np.float32).T
    q = {name: column[:, None] for name, column in zip(kind.acquisition, (mean + deviation * z).T, strict=True)}
    rows = visits[:, 0]
    a = {name: column[:, None] for name, column in zip(kind.population, subjects.values[rows].T, strict=True)}
    u, v = _anatomical_grid(q, size)
    held = [subjects.variants[row] for row in rows]
    return Scene(
        anatomy=a,
        visit=q,
        severity=_severity(a["severity"], q["progress"]),
        labels=np.array([subjects.labels[row] for row in rows], dtype=object),
        variants={name: np.array([name in names for names in held]) for name in kind.variants},
        u=u,
        v=v,
        grain=grain,
        size=size,
    )


def _draw_acquisition(
    kind: Modality, subjects: Subjects, visits: np.ndarray, size: int
) -> tuple[np.ndarray, np.ndarray]:
    """Unit normals of the acquisition [b, Q] (cut) and of the noise [k, b, p], seeded image by image."""
    z = np.empty((len(visits), len(kind.acquisition)), dtype=np.float32)
    grain = np.empty((kind.noise_fields, len(visits), size * size), dtype=np.float32)
    for i, (row, number) in enumerate(visits):
        rng = _visit_rng(subjects, row, number)
        z[i] = rng.standard_normal(len(kind.acquisition)).clip(-CUT, CUT)
        for field in grain:
            rng.standard_normal(out=field[i], dtype=np.float32)
    return z, grain


def _anatomical_grid(q: dict[str, np.ndarray], size: int) -> tuple[np.ndarray, np.ndarray]:
    """Anatomical coordinates (u, v), float32 [b, p] each, of every pixel under the pose of each image."""
    axis = (np.arange(size, dtype=np.float32) + 0.5) * np.float32(2 / size) - 1
    y, x = (grid.reshape(1, -1) for grid in np.meshgrid(axis, axis, indexing="ij"))
    x, y = (x - q["shift_u"]) / q["scale"], (y - q["shift_v"]) / q["scale"]
    cos, sin = np.cos(q["angle"]), np.sin(q["angle"])
    return cos * x + sin * y, cos * y - sin * x
