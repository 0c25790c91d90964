"""What the files are before preprocessing, and what the pictures suggest: a crop, an enlargement, text, a face."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ...core.words import plural
from ...images.other_pictures import PAGES, SHEETS, THUMBNAILS
from ...images.picture import MERE_NOTES, NOTES
from ...images.preprocess import PreprocessConfig
from ...images.reasons import Reason
from ...layouts.listing import About, Refusal
from ...layouts.masks import folders_of, pattern_of
from .suspicion import EXAMPLES, LONGEST_LIST, Suspicion

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


def suspect_masks(quarantine: Sequence[Refusal], named: Sequence[str], few: int, images: int) -> list[Suspicion]:
    """Masks and maps of labels: those that were left out, and images that may be some.

    `named` are files with such names among the images, `few` is the number of images with few grey values.
    """
    found = []
    left = [name for name, reason, _ in quarantine if reason == Reason.MASK]
    if left:
        was = "file is a mask or map" if len(left) == 1 else "files are masks or maps"
        sentence = f"{len(left):,} {was} of labels and left out: in {folders_of(left)}"
        mend = "nothing is to be done; if they are pictures of their own, say --masks keep"
        found.append(Suspicion("masks-left-out", sentence, len(left), mend))
    if named or few:
        told = [f"{len(named):,} by their names (in {folders_of(named)})"] if named else []
        told += [f"{few:,} by few grey values"] if few else []
        sentence = f"some of {images:,} images may be masks or maps of labels, no pictures of people: {', '.join(told)}"
        pattern = f" (such as --leave-out '{pattern_of(named)}')" if named else ""
        mend = f"look at some of them; leave them out with a pattern of their paths: --leave-out{pattern}"
        found.append(Suspicion("masks", sentence, max(len(named), few), mend))
    return found


def mask_examples(quarantine: Sequence[Refusal], named: Sequence[str]) -> dict[str, list[str]]:
    """Names behind the warnings of `suspect_masks`."""
    left = [name for name, reason, _ in quarantine if reason == Reason.MASK]
    found = {"masks-left-out": left[:EXAMPLES], "masks": list(named[:EXAMPLES])}
    return {kind: names for kind, names in found.items() if names}


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
        if count and kind not in MERE_NOTES and kind != "few-levels"
    ]


def _some(count: int, images: int) -> str:
    return f"all {images:,} images" if 1 < count == images else f"{count:,} of {plural(images, 'image')}"


_SORTS = {
    "localizer": (
        "localizers (scouts, topograms): overviews for planning, not the pictures that were asked for",
        "leave them out: --leave-out localizer",
    ),
    "secondary-capture": (
        "secondary captures: screens, scanned films, reports or exports, not what a scanner made",
        "look at some of them; leave them out with --leave-out secondary-capture",
    ),
    "derived": (
        "pictures computed from others (reformatted, projected, subtracted, mapped), not acquired",
        "look at some of them; leave them out with --leave-out derived",
    ),
}
_MIXTURES = (("modality", "mixed-modalities", "modalities"), ("body part", "mixed-parts", "body parts"))


def count_about(told: Sequence[About]) -> dict[str, dict[str, int]]:
    """Images by modality, body part and sort, most frequent first; what is not said is left out."""
    names = ("modality", "body part", "sort")
    counts = {name: Counter(filter(None, values)) for name, values in zip(names, zip(*told, strict=True), strict=False)}
    return {name: dict(counts[name].most_common()) if name in counts else {} for name in names}


def suspect_mixture(forms: Mapping[str, Mapping[str, int]], images: int) -> list[Suspicion]:
    """Images of several modalities or body parts, and those that are no plain pictures."""
    found = []
    for name, kind, many in _MIXTURES:
        counts = forms[name]
        if len(counts) > 1:
            shown = ", ".join(f"{count:,} {value}" for value, count in list(counts.items())[:LONGEST_LIST])
            more = f" and {len(counts) - LONGEST_LIST} more" if len(counts) > LONGEST_LIST else ""
            sentence = f"images of several {many} in one cohort: {shown}{more}"
            mend = "make a study of each, unless one generator is to draw all of them (--leave-out drops some by name)"
            found.append(Suspicion(kind, sentence, sum(counts.values()) - max(counts.values()), mend))
    for sort, (said, mend) in _SORTS.items():
        if count := forms["sort"].get(sort, 0):
            is_ = "is one of the" if count == 1 else "are"
            found.append(Suspicion(sort, f"{_some(count, images)} {is_} {said}", count, mend))
    return found


_OTHERS = {
    SHEETS: "sheets of several pictures in one: such a picture is of no single person",
    PAGES: "pages of text, such as reports or letters",
    THUMBNAILS: "thumbnails or previews of others",
}


def suspect_others(found: Mapping[str, np.ndarray], images: int) -> list[Suspicion]:
    """Images that may be no pictures of one body, by rows of each kind of `other_pictures`."""
    mend = "look at the examples; leave them out with a pattern of their paths (--leave-out), or move them away"
    return [
        Suspicion(kind, f"{_some(len(rows), images)} may be {_OTHERS[kind]}", len(rows), mend)
        for kind, rows in found.items()
    ]
