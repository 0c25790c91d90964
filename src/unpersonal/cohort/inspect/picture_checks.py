"""What the files are before preprocessing, and what the pictures suggest: a crop, an enlargement, text, a face."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from ...core.words import plural
from ...images.picture import MERE_NOTES, NOTES
from ...images.preprocess import PreprocessConfig
from .suspicion import Suspicion

MUCH_CROPPED = 0.2
"""Share of an image that the crop to a square may take before it is said."""
HALVED = 0.5


@dataclass(frozen=True)
class FileForms:
    """What the files of the n kept images are, before preprocessing; each int [n], rows as in the cohort."""

    height: np.ndarray
    width: np.ndarray
    bits: np.ndarray
    channels: np.ndarray


def count_sizes(facts: FileForms | None) -> list[dict[str, int]]:
    """Every size with its number of images, most frequent first."""
    if facts is None:
        return []
    pairs, counts = np.unique(np.stack([facts.height, facts.width], axis=1), axis=0, return_counts=True)
    order = np.argsort(-counts, kind="stable")
    return [{"height": int(pairs[i, 0]), "width": int(pairs[i, 1]), "images": int(counts[i])} for i in order]


def histogram(values: np.ndarray) -> dict[str, int]:
    """Number of images of each value."""
    distinct, counts = np.unique(np.asarray(values), return_counts=True)
    return {str(int(value)): int(count) for value, count in zip(distinct, counts, strict=True)}


def much_cropped(facts: FileForms) -> np.ndarray:
    """Rows int64 [k] of the images that lose more than `MUCH_CROPPED` at the crop, those that lose most first."""
    lost = _lost(facts)
    order = np.argsort(-lost, kind="stable")
    return order[lost[order] > MUCH_CROPPED]


def _lost(facts: FileForms) -> np.ndarray:
    """Share [n] of each image that the crop to a square takes."""
    return 1 - np.minimum(facts.height, facts.width) / np.maximum(facts.height, facts.width)


def suspect_form(facts: FileForms | None, form: PreprocessConfig | None) -> list[Suspicion]:
    """What the crop takes from images, and images that become larger than they are."""
    if facts is None or form is None:
        return []
    short, long = np.minimum(facts.height, facts.width), np.maximum(facts.height, facts.width)
    images, found = len(short), []
    lost = _lost(facts)
    if form.fit == "crop" and (cropped := len(much_cropped(facts))):
        lose = "loses" if cropped == 1 else "lose"
        halved = int((lost >= HALVED).sum())
        sentence = (
            f"{_some(cropped, images)} {lose} more than {MUCH_CROPPED:.0%} at the crop to a square, "
            f"{lost.max():.0%} at most{f' and {halved:,} of them half or more' if halved else ''}: the middle is kept"
        )
        mend = "say --fit pad, which keeps all of each image and adds black (study.toml: fit under [images])"
        found.append(Suspicion("cropped", sentence, cropped, mend))
    times = form.size / (short if form.fit == "crop" else long)
    if enlarged := int((times > 1).sum()):
        sentence = (
            f"{_some(enlarged, images)} {'is' if enlarged == 1 else 'are'} smaller than {form.size} × {form.size} "
            f"pixels and enlarged, up to {times.max():.2g} times"
        )
        mend = "choose a smaller --size: enlarging adds work and no detail"
        found.append(Suspicion("enlarged", sentence, enlarged, mend))
    return found


def suspect_text(count: int) -> list[Suspicion]:
    """Images in which text may be burned into the pixels."""
    if not count:
        return []
    sentence = f"{plural(count, 'image')} may have text burned into the pixels (nothing was read)"
    mend = "look at the examples; mask or crop text before a study, synthetic images may repeat it"
    return [Suspicion("burned-in-text", sentence, count, mend)]


_NOTE_MENDS = {
    "burned-in": "mask the annotation or leave those images out",
    "burned-in-unsaid": "look at some of them; DICOM files ought to say NO",
    "header-identity": "nothing of it is carried over; the input itself is not pseudonymous",
    "head": "deface the volumes before the study",
}


def picture_sentences(counts: Mapping[str, int]) -> list[str]:
    """Sentences about the images with notes of decoding that are no reason to worry."""
    return [f"{plural(counts[kind], 'image')}: {said}." for kind, said in MERE_NOTES.items() if counts.get(kind)]


def suspect_notes(counts: Mapping[str, int]) -> list[Suspicion]:
    """Images with each of the other notes that decoding made."""
    return [
        Suspicion(
            kind, f"{plural(count, 'image')}: {NOTES.get(kind, kind)}", count, _NOTE_MENDS.get(kind, "look at them")
        )
        for kind, count in sorted(counts.items())
        if count and kind not in MERE_NOTES
    ]


def _some(count: int, images: int) -> str:
    return f"all {images:,} images" if 1 < count == images else f"{count:,} of {plural(images, 'image')}"
