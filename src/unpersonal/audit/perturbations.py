"""Perturbed copies of real images: what a release that leaks would hold, made on purpose.

Pure NumPy and Pillow; no network, so that nothing the gate was trained on decides what the audit is tried on.
"""

from __future__ import annotations

import io
from collections.abc import Callable

import numpy as np
from PIL import Image, ImageFilter

JPEG_QUALITY = 75
GAMMA_RANGE = (0.8, 1.25)
NOISE_SD = 4.0
"""Standard deviation of the added noise, grey levels out of 255."""
SHIFT = 0.03
"""Largest shift, share of the side."""
ROTATION = 3.0
"""Largest rotation, degrees."""
CROP = 0.05
"""Largest share of the side cut off by a crop."""
BLUR = 0.01
"""Radius of the blur, share of the side."""

Perturbation = Callable[[np.ndarray, np.random.Generator], np.ndarray]


def _to_uint8(values: np.ndarray) -> np.ndarray:
    rounded: np.ndarray = np.clip(np.rint(values), 0, 255).astype(np.uint8)
    return rounded


def jpeg(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """JPEG round trip at quality 75, channel by channel; uint8 [C,H,W] in and out, as all functions here."""
    channels = []
    for channel in image:
        buffer = io.BytesIO()
        Image.fromarray(channel).save(buffer, "JPEG", quality=JPEG_QUALITY)
        buffer.seek(0)
        channels.append(np.asarray(Image.open(buffer)))
    return np.stack(channels)


def gamma(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Exposure change v^g, g log-uniform in [0.8, 1.25]."""
    exponent = np.exp(rng.uniform(np.log(GAMMA_RANGE[0]), np.log(GAMMA_RANGE[1])))
    return _to_uint8(255.0 * (image / 255.0) ** exponent)


def noise(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """White Gaussian noise of 4 grey levels."""
    return _to_uint8(image + rng.normal(0.0, NOISE_SD, image.shape))


def _affine(image: np.ndarray, dx: float, dy: float, degrees: float, zoom: float = 1.0) -> np.ndarray:
    height, width = image.shape[-2:]
    margin = max(height, width) // 8 + 2
    cosine, sine = np.cos(np.deg2rad(degrees)) / zoom, np.sin(np.deg2rad(degrees)) / zoom
    cx, cy = (width - 1) / 2 + margin, (height - 1) / 2 + margin
    matrix = (
        cosine, sine, cx - cosine * (cx + dx) - sine * (cy + dy),
        -sine, cosine, cy + sine * (cx + dx) - cosine * (cy + dy),
    )  # fmt: skip
    moved = []
    for channel in image:
        # edge values outside the frame: a black border would be a mark of its own
        padded = Image.fromarray(np.pad(channel, margin, mode="edge"))
        turned = np.asarray(padded.transform(padded.size, Image.Transform.AFFINE, matrix, Image.Resampling.BILINEAR))
        moved.append(turned[margin : margin + height, margin : margin + width])
    return np.stack(moved)


def shift(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Translation by up to 3 % of the side along both axes, bilinear."""
    dx, dy = rng.uniform(-SHIFT, SHIFT, 2) * np.array([image.shape[-1], image.shape[-2]])
    return _affine(image, float(dx), float(dy), 0.0)


def rotation(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Rotation about the centre by up to 3 degrees, bilinear."""
    return _affine(image, 0.0, 0.0, float(rng.uniform(-ROTATION, ROTATION)))


def crop(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Crop by up to 5 % of the side, somewhere, brought back to the full side."""
    cut = float(rng.uniform(0.0, CROP))
    height, width = image.shape[-2:]
    dx, dy = rng.uniform(-cut / 2, cut / 2, 2) * np.array([width, height])
    return _affine(image, float(dx), float(dy), 0.0, 1.0 / (1.0 - cut))


def blur(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Gaussian blur, as after a lossy codec or a re-scaling."""
    radius = BLUR * max(image.shape[-2:])
    return np.stack(
        [np.asarray(Image.fromarray(channel).filter(ImageFilter.GaussianBlur(radius))) for channel in image]
    )


def combined(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Gamma, then noise, then JPEG."""
    return jpeg(noise(gamma(image, rng), rng), rng)


PERTURBATIONS: dict[str, Perturbation] = {
    "jpeg": jpeg,
    "gamma": gamma,
    "noise": noise,
    "shift": shift,
    "rotation": rotation,
    "crop": crop,
    "blur": blur,
    "combined": combined,
}
FITTED = ("jpeg", "gamma", "noise", "shift", "rotation")
"""Kinds that a space may learn to look past; the others are tried without ever having been seen."""


def perturbed_copies(images: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """One perturbed copy of every image, kinds in turn: uint8 [n,C,H,W] and the kind of each, str [n]."""
    names = tuple(PERTURBATIONS)
    kinds = np.array([names[i % len(names)] for i in range(len(images))])
    copies = np.empty_like(images)
    for i, kind in enumerate(kinds):
        copies[i] = PERTURBATIONS[kind](np.asarray(images[i]), rng)
    return copies, kinds
