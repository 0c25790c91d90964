"""Masks and maps of labels among the images: by their names, beside the image that they are of, with few grey values.

The forms of public data sets: `images/` and `masks/`, `imagesTr/` and `labelsTr/` (Medical Segmentation Decathlon,
nnU-Net), `…_seg` beside `…_t1` (BraTS), `ManualMask/leftMask/` (Montgomery), `…_mask` (Shenzhen, BUSI),
`…_segmentation` (ISIC), `segmentation-0` beside `volume-0` (LiTS), `segmentation` beside `imaging` (KiTS).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from functools import lru_cache
from itertools import pairwise
from pathlib import PurePosixPath

from ..images.archives import ImageArchive
from ..images.formats import NIFTI_SUFFIXES
from ..images.label_maps import holds_labels
from ..images.picture import ImageError
from ..images.reasons import Reason
from .listing import Refusal

NAMES = frozenset(
    [
        "mask",
        "masks",
        "seg",
        "segs",
        "segm",
        "segmentation",
        "segmentations",
        "label",
        "labels",
        "labelmap",
        "labelmaps",
        "labelstr",
        "labelsts",
        "labelsva",
        "gt",
        "groundtruth",
        "groundtruths",
        "annot",
        "annots",
        "annotation",
        "annotations",
        "contour",
        "contours",
        "roi",
        "rois",
        "delineation",
        "delineations",
        "matte",
        "mattes",
    ]
)
"""Words by which folders of masks, and the ends of their names, are called."""
PAIRS = frozenset((("ground", "truth"), ("ground", "truths"), ("label", "map"), ("label", "maps"), ("labels", "tr")))
PAIRS_MORE = frozenset((("labels", "ts"), ("labels", "va"), ("label", "tr"), ("label", "ts")))
NOT = frozenset(("no", "non", "not", "without", "un", "with", "face"))
"""Words before one of them that make it another thing (`no_mask`, `with_mask`)."""
WORDS = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|\d+")
PICTURE_WORDS = re.compile(
    r"[ _.-](t[12](w|ce|c|n|f|gd|star)?|flair|pdw?|dwi|adc|ct|mri?|pet|im|img|image|orig|original|scan|cropped|\d{4})$",
    re.IGNORECASE,
)
BEFORE = re.compile(r"^(volume|vol|image|images|img|imaging|im|scan|ct|mri?|case)(?=[ _.-]?\d)[ _.-]?", re.IGNORECASE)
ENTITIES = re.compile(r"[_.-](label|desc|space|res)-[A-Za-z0-9]+")
"""What BIDS writes into the name of a mask besides the name of the image."""
APART = frozenset(("derivatives", "sourcedata"))
SAMPLED = 6
"""Files named like masks that are opened to see whether they have few grey values."""
MOSTLY = 0.5


def find_masks(names: Sequence[str], is_map: Callable[[str], bool]) -> list[str]:
    """The masks beside their images, sorted; `is_map` opens a file and says whether it holds labels, for a few of them.

    A file is named like a mask by a word in its folders or at an end of its own name; it lies beside its image where
    another file has the rest of its name, below the folder that holds the masks'. Most files opened must be maps.
    """
    told, images = _by_name(names)
    held: set[tuple[str, str]] = set()
    for parts in images if told else ():
        for core in _cores(_stem(parts[-1])):
            held |= {("/".join(parts[:depth]), core) for depth in range(len(parts))}
    beside = sorted(name for name, (place, cores) in told.items() if any((place, core) in held for core in cores))
    step = max(1, len(beside) // SAMPLED)
    opened = [is_map(name) for name in beside[::step][:SAMPLED]]
    return beside if opened and sum(opened) > MOSTLY * len(opened) else []


def named_like_masks(names: Sequence[str]) -> tuple[str, ...]:
    """The files that are named like masks, sorted; none where all are, for then the word says nothing."""
    told, images = _by_name(names)
    return tuple(sorted(told)) if images else ()


def _by_name(names: Sequence[str]) -> tuple[dict[str, tuple[str, tuple[str, ...]]], list[tuple[str, ...]]]:
    """Files named like masks as `_as_mask` reads them, and the parts of the paths of all others.

    Folders that all files share say nothing.
    """
    paths = [PurePosixPath(name).parts for name in names]
    shared = 0
    while paths and all(len(parts) > shared + 1 and parts[shared] == paths[0][shared] for parts in paths):
        shared += 1
    told, images = {}, []
    for name, parts in zip(names, paths, strict=True):
        if (found := _as_mask(parts[shared:])) is not None:
            told[name] = found
        else:
            images.append(parts[shared:])
    return told, images


def masks_in(archive: ImageArchive, names: Sequence[str]) -> list[str]:
    """As `find_masks`, of the files of an archive."""

    def is_map(name: str) -> bool:
        try:
            return holds_labels(archive.open_bytes(name))
        except ImageError:
            return False

    return find_masks(names, is_map)


def refused_masks(masks: Sequence[str]) -> list[Refusal]:
    """Rows of quarantine.csv for masks that are left out."""
    return [(name, Reason.MASK, "a mask or map of labels beside its image") for name in masks]


def folders_of(names: Sequence[str]) -> str:
    """The folders of most of some files, for a sentence: a few, with what is meant by the ends of names."""
    counts = Counter(PurePosixPath(name).parent.name or "." for name in names)
    return ", ".join(f"{folder}/" for folder, _ in counts.most_common(3))


def pattern_of(names: Sequence[str]) -> str:
    """A pattern for `--leave-out` that finds files named like masks, by the folder or end of name of the most."""

    def word(name: str) -> str:
        folder = next((part for part in reversed(PurePosixPath(name).parts[:-1]) if _says_mask(part)), None)
        if folder is not None:
            return f"{re.escape(folder)}/"
        rest = _without_mask(_stem(name)) or ""
        return re.escape(re.sub(r"[ _.-]?\d{1,2}$", "", _stem(name).replace(rest, "", 1)))

    return Counter(map(word, names)).most_common(1)[0][0]


def _as_mask(parts: tuple[str, ...]) -> tuple[str, tuple[str, ...]] | None:
    """The folder that masks and images share, and what of the name may be that of the image; None for no mask."""
    stem = ENTITIES.sub("", _stem(parts[-1]))
    bare = _without_mask(stem)
    depth = next((depth for depth, folder in enumerate(parts[:-1]) if _says_mask(folder)), None)
    if depth is None and bare is None:
        return None
    # BIDS keeps the masks of all people in a folder of their own
    depth = next((at for at, folder in enumerate(parts) if folder in APART), len(parts) - 1 if depth is None else depth)
    cores = (*_cores(stem), *(() if bare is None else _cores(bare)))
    return "/".join(parts[:depth]), tuple(dict.fromkeys(cores))


def _stem(name: str) -> str:
    file = PurePosixPath(name).name
    suffix = next((suffix for suffix in NIFTI_SUFFIXES if file.lower().endswith(suffix)), None)
    return file[: -len(suffix)] if suffix else PurePosixPath(file).stem


def _cores(stem: str) -> tuple[str, ...]:
    """A name in small letters, and without the words that say how the image was taken."""
    lower = stem.casefold().strip(" _.-")
    short = BEFORE.sub("", PICTURE_WORDS.sub("", lower))
    return tuple(dict.fromkeys((lower, short, PICTURE_WORDS.sub("", short), *([""] if lower in SINGLE else []))))


SINGLE = frozenset(("image", "imaging", "img", "scan", "volume", "ct", "mr", "t1", "orig"))
"""Names of the only image in a folder, beside which the mask is called `segmentation` or `mask`."""


@lru_cache(2**14)
def _says_mask(text: str) -> bool:
    """Whether one of the words of a folder's name is one for masks."""
    words = [word.casefold() for word in WORDS.findall(text)]
    pairs = set(pairwise(words))
    single = any(word in NAMES and (i == 0 or words[i - 1] not in NOT) for i, word in enumerate(words))
    return single or bool(pairs & (PAIRS | PAIRS_MORE))


def _without_mask(stem: str) -> str | None:
    """The rest of a name that begins or ends with a word for masks (`a_mask`, `a_mask_1`, `segmentation-0`)."""
    for pattern in (
        r"(?P<rest>.*?)[ _.-](?P<word>[a-z]+(?:[ _.-]?(?:truth|map))?)(?:[ _.-]?\d{1,2})?",
        r"(?P<word>[a-z]+)[ _.-]?(?P<rest>\d.*|)",
    ):
        match = re.fullmatch(pattern, stem, re.IGNORECASE)
        if match and re.sub(r"[ _.-]", "", match["word"]).casefold() in NAMES:
            words = [word.casefold() for word in WORDS.findall(match["rest"])]
            return None if words[-1:] and words[-1] in NOT else match["rest"]
    return None
