"""Kinds of copies: what a leak may look like. One list for everything that plants copies or speaks of them.

Every kind makes copies of uint8 images [n, C, S, S] at a strength of its own, with Pillow and NumPy, by other code than
the matchers that search them. Kinds that put pieces of a person into another picture, or mix people, take `hosts`,
images [m, C, S, S] of others.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from PIL.Image import Image

Make = Callable[[np.ndarray, np.ndarray, float, np.random.Generator], np.ndarray]
"""Copies [n, C, S, S] of images [n, C, S, S], with hosts [m, C, S, S], at a strength, with a generator."""


@dataclass(frozen=True)
class Kind:
    """A kind of copy: name, what it is in words with a place for the strength, and strengths, weakest first.

    `make` is None where copies need a network or further pictures of the person. `promised` are the strengths that the
    gate's miss rate is about: a subject of whom one such copy is not flagged counts as missed.
    """

    name: str
    title: str
    strengths: tuple[float, ...]
    make: Make | None
    unit: str = ""
    promised: tuple[float, ...] = ()

    def copies(self, images: np.ndarray, hosts: np.ndarray, strength: float, rng: np.random.Generator) -> np.ndarray:
        """uint8 copies of the shape of `images`; `hosts` may be empty for kinds that take none."""
        if self.make is None:
            raise ValueError(f"{self.name} cannot be made of pictures alone")
        found = self.make(images, hosts, strength, rng)
        if found.shape != images.shape or found.dtype != np.uint8:
            raise AssertionError(f"{self.name} made {found.dtype} {found.shape} of {images.shape}")
        return found

    def named(self, strength: float) -> str:
        """The kind at a strength in a few words."""
        return f"{self.name} {strength:g}{self.unit}" if len(self.strengths) > 1 else self.name

    def in_words(self, strength: float) -> str:
        """The kind at a strength as a reader who knows no name of ours understands it."""
        return self.title.format(f"{strength:g}{self.unit}")


def _each(change: Callable[[Image, float, np.random.Generator], Image]) -> Make:
    """A kind that changes picture by picture, each channel alike."""

    def make(images: np.ndarray, hosts: np.ndarray, strength: float, rng: np.random.Generator) -> np.ndarray:
        from PIL import Image

        found = np.empty_like(images)
        for number, image in enumerate(images):
            picture = Image.fromarray(np.ascontiguousarray(image.transpose(1, 2, 0)).squeeze())
            changed = np.asarray(change(picture, strength, rng))
            found[number] = changed[None] if changed.ndim == 2 else changed.transpose(2, 0, 1)
        return found

    return make


def _exact(images: np.ndarray, hosts: np.ndarray, strength: float, rng: np.random.Generator) -> np.ndarray:
    return images.copy()


def _exposure(images: np.ndarray, hosts: np.ndarray, strength: float, rng: np.random.Generator) -> np.ndarray:
    """Gamma of `strength` or its inverse."""
    exponent = strength ** rng.choice((-1.0, 1.0), (len(images), 1, 1, 1))
    return np.rint(255 * (images / 255.0) ** exponent).astype(np.uint8)


def _polarity(images: np.ndarray, hosts: np.ndarray, strength: float, rng: np.random.Generator) -> np.ndarray:
    return 255 - images


def _noise(images: np.ndarray, hosts: np.ndarray, strength: float, rng: np.random.Generator) -> np.ndarray:
    return np.clip(np.rint(images + 255 * strength * rng.normal(size=images.shape)), 0, 255).astype(np.uint8)


def _blur(image: Image, strength: float, rng: np.random.Generator) -> Image:
    """Deviation as a share of the side."""
    from PIL import ImageFilter

    return image.filter(ImageFilter.GaussianBlur(strength * image.width))


def _jpeg(image: Image, strength: float, rng: np.random.Generator) -> Image:
    from PIL import Image as Images

    stream = io.BytesIO()
    image.save(stream, "JPEG", quality=int(strength))
    return Images.open(stream).convert(image.mode)


def _affine(image: Image, matrix: tuple[float, float, float, float], shift: tuple[float, float] = (0.0, 0.0)) -> Image:
    """Each place of the result, from the centre in half sides, is taken from `matrix` times it plus `shift`."""
    from PIL import Image as Images

    half = image.width / 2
    a, b, d, e = matrix
    c = half * (1 - a - b + shift[0])
    f = half * (1 - d - e + shift[1])
    return image.transform(image.size, Images.Transform.AFFINE, (a, b, c, d, e, f), Images.Resampling.BICUBIC)


def _rotation(image: Image, strength: float, rng: np.random.Generator) -> Image:
    from PIL import Image as Images

    return image.rotate(strength * rng.choice((-1.0, 1.0)), Images.Resampling.BICUBIC)


def _shift(image: Image, strength: float, rng: np.random.Generator) -> Image:
    """By `strength` of the side in a random direction; what comes in is black."""
    angle = rng.uniform(0, 2 * np.pi)
    return _affine(image, (1, 0, 0, 1), (2 * strength * np.cos(angle), 2 * strength * np.sin(angle)))


def _mirror(images: np.ndarray, hosts: np.ndarray, strength: float, rng: np.random.Generator) -> np.ndarray:
    return np.ascontiguousarray(images[..., ::-1])


def _right_angle(images: np.ndarray, hosts: np.ndarray, strength: float, rng: np.random.Generator) -> np.ndarray:
    return np.ascontiguousarray(np.rot90(images, int(strength) // 90, axes=(2, 3)))


def _crop(image: Image, strength: float, rng: np.random.Generator) -> Image:
    """A square of `strength` of the side, anywhere, resized back."""
    free = 1 - strength
    return _affine(image, (strength, 0, 0, strength), (rng.uniform(-free, free), rng.uniform(-free, free)))


def _mirrored_crop(image: Image, strength: float, rng: np.random.Generator) -> Image:
    from PIL import ImageOps

    return _crop(ImageOps.mirror(image), strength, rng)


def _zoom(image: Image, strength: float, rng: np.random.Generator) -> Image:
    """About the centre; below 1 the rest is black."""
    return _affine(image, (1 / strength, 0, 0, 1 / strength))


def _framed(image: Image, strength: float, rng: np.random.Generator, across: bool = True, down: bool = True) -> Image:
    """Shrunk to `strength` of the side, in the middle of one grey."""
    from PIL import Image as Images

    size = (
        round(image.width * strength) if across else image.width,
        round(image.height * strength) if down else image.height,
    )
    frame = Images.new(image.mode, image.size, (int(rng.integers(0, 256)),) * len(image.getbands()))
    place = (image.width - size[0]) // 2, (image.height - size[1]) // 2
    frame.paste(image.resize(size, Images.Resampling.BICUBIC), place)
    return frame


def _letterbox(image: Image, strength: float, rng: np.random.Generator) -> Image:
    across = bool(rng.integers(2))
    return _framed(image, strength, rng, across=across, down=not across)


def _squash(image: Image, strength: float, rng: np.random.Generator) -> Image:
    """Stretched along one side so that only `strength` of it is left to be seen."""
    return _affine(image, (strength, 0, 0, 1) if rng.integers(2) else (1, 0, 0, strength))


def _half(images: np.ndarray, hosts: np.ndarray, strength: float, rng: np.random.Generator) -> np.ndarray:
    """The left, right, upper or lower half in somebody else's picture."""
    found, half = _hosts(hosts, len(images), rng), images.shape[-1] // 2
    rows, columns = slice(None), slice(None)
    halves = ((rows, slice(half)), (rows, slice(half, None)), (slice(half), columns), (slice(half, None), columns))
    for number, which in enumerate(rng.integers(0, 4, len(images))):
        down, across = halves[which]
        found[number, :, down, across] = images[number, :, down, across]
    return found


def _region(images: np.ndarray, hosts: np.ndarray, strength: float, rng: np.random.Generator) -> np.ndarray:
    """A square of `strength` of the area at its own place in somebody else's picture."""
    found, size = _hosts(hosts, len(images), rng), images.shape[-1]
    side = round(size * strength**0.5)
    margin = min(size // 10, (size - side) // 2)  # what lies at the edge is mostly air
    for number, (top, left) in enumerate(rng.integers(margin, size - side - margin + 1, (len(images), 2))):
        place = (number, slice(None), slice(top, top + side), slice(left, left + side))
        found[place] = images[place]
    return found


def _average(images: np.ndarray, hosts: np.ndarray, strength: float, rng: np.random.Generator) -> np.ndarray:
    """`strength` of the picture and the rest of somebody else's."""
    others = _hosts(hosts, len(images), rng)
    return np.rint(strength * images.astype(np.float32) + (1 - strength) * others).astype(np.uint8)


def _average_of_three(images: np.ndarray, hosts: np.ndarray, strength: float, rng: np.random.Generator) -> np.ndarray:
    others = _hosts(hosts, len(images), rng).astype(np.float32) + _hosts(hosts, len(images), rng)
    return np.rint((images + others) / 3).astype(np.uint8)


def _hosts(hosts: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    if len(hosts) == 0:
        raise ValueError("this kind of copy needs pictures of others")
    return hosts[rng.integers(0, len(hosts), count)].copy()


KINDS: tuple[Kind, ...] = (
    Kind("exact", "the picture itself", (1,), _exact, promised=(1,)),
    Kind("exposure", "gamma {} or its inverse", (1.3, 1.7), _exposure, promised=(1.3,)),
    Kind("polarity", "the negative", (1,), _polarity, promised=(1,)),
    Kind("noise", "noise of {} of the range", (0.03, 0.06), _noise, promised=(0.03,)),
    Kind("blur", "blurred by {} of the side", (0.012, 0.02), _each(_blur), promised=(0.012,)),
    Kind("jpeg", "JPEG of quality {}", (50, 20), _each(_jpeg), promised=(50,)),
    Kind("shift", "moved by {} of the side", (0.03, 0.08), _each(_shift), promised=(0.03,)),
    Kind("rotation", "turned by {}", (5, 10, 15, 20), _each(_rotation), "°", promised=(5,)),
    Kind("mirror", "mirrored", (1,), _mirror, promised=(1,)),
    Kind("right-angle", "turned by {}", (90, 180, 270), _right_angle, "°", promised=(90, 180, 270)),
    Kind("crop", "a square of {} of the side", (0.85, 0.75, 0.6), _each(_crop)),
    Kind("mirrored-crop", "a square of {} of the side, mirrored", (0.75,), _each(_mirrored_crop)),
    Kind("zoom", "zoomed by {}", (1.15, 1.3, 0.85, 0.7), _each(_zoom), promised=(1.15,)),
    Kind("frame", "shrunk to {} of the side, framed", (0.85, 0.75), _each(_framed), promised=(0.85,)),
    Kind("letterbox", "shrunk to {} along one side", (0.8, 0.6), _each(_letterbox), promised=(0.8,)),
    Kind("squash", "{} of one side, stretched", (0.8, 0.65), _each(_squash), promised=(0.8,)),
    Kind("half", "one half, in somebody else's picture", (0.5,), _half),
    Kind("region", "{} of the area, in somebody else's picture", (0.5, 0.25, 0.14), _region),
    Kind("average", "{} of it, the rest of somebody else", (0.8, 0.7, 0.6, 0.5), _average, promised=(0.8,)),
    Kind("average-of-three", "the mean of three people", (3,), _average_of_three),
    Kind("codec", "through the study's codec and back", (1,), None, promised=(1,)),
    Kind("re-noised", "noised to sigma {} and denoised by the study's own model", (0.05, 0.1, 0.2, 0.3), None),
    Kind("over-fitted", "drawn by a model that has learnt a few people by heart", (1,), None),
    Kind("other-visit", "another picture of the same person", (1,), None),
)
"""Every kind of copy that is tried; what is blind among them is said in the card and in the report."""
PICTURE_KINDS = tuple(kind for kind in KINDS if kind.make is not None)
"""The kinds whose copies are made of pictures alone."""
MAY_BE_BLIND = (
    "region 0.25",
    "region 0.14",
    "average-of-three",
    "re-noised 0.2",
    "re-noised 0.3",
    "other-visit",
)
"""Kinds, as `Kind.named` calls them, that a release may be blind to unless its policy says otherwise."""
MAY_BE_BLIND_UNDER_AGREEMENT = (
    *MAY_BE_BLIND,
    "rotation 15°",
    "rotation 20°",
    "zoom 0.7",
    "average 0.5",
    "over-fitted",
)
"""The same for a release to recipients who sign: nothing is promised of these, and 32 px show little of them."""
LEAST_RECALL = 0.9
"""A kind is called blind where the lower 95 % bound of its recall is below this."""


def strength_of(kind: Kind) -> float:
    """The strength at which an audit plants a kind: the hardest to which no release may be blind by default, or the
    weakest where it may be blind to all."""
    kept = [strength for strength in kind.strengths if kind.named(strength) not in MAY_BE_BLIND]
    return kept[-1] if kept else kind.strengths[0]


def names() -> tuple[str, ...]:
    """Every kind at every strength, as `Kind.named` calls them."""
    return tuple(kind.named(strength) for kind in KINDS for strength in kind.strengths)


def promised() -> tuple[str, ...]:
    """Every kind at the strengths that the gate promises to find, as `Kind.named` calls them."""
    return tuple(kind.named(strength) for kind in KINDS for strength in kind.promised)


def kind(name: str) -> Kind:
    """The kind called `name`; an unknown name is a `KeyError`."""
    return {found.name: found for found in KINDS}[name]


def in_words(name: str) -> str:
    """What a kind at a strength is, by the name that `Kind.named` gave; a name that is not known stays as it is."""
    found = {kind.named(strength): kind.in_words(strength) for kind in KINDS for strength in kind.strengths}
    return found.get(name, name)
