"""Copies of an image as a leak would look: the perturbations of the calibration, and those of the classifier.

Every function takes float images [B, C, H, W] in [0, 1] and a CPU generator, draws one strength per image, and returns
the same shape and range. Strengths of the calibration:

========  =====================================================================================
crop      a random square of 0.85 to 1 of the side, resized back (bilinear)
rotation  -7 to 7 degrees about the centre (bilinear, border repeated)
gamma     exponent 0.75 to 1.33, uniform in its logarithm
noise     Gaussian, deviation 0.02 to 0.06 of the range
jpeg      baseline JPEG by Pillow, quality 40 to 90
codec     one round trip through the study's codec
========  =====================================================================================
"""

from __future__ import annotations

import io
import math
from collections.abc import Callable

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from ..codec.base import Codec
from ..core.pixels import to_float, to_uint8

PERTURBATIONS = ("crop", "rotation", "gamma", "noise", "jpeg", "codec")


def uniform(count: int, low: float, high: float, generator: torch.Generator) -> Tensor:
    """`count` float32 draws from [low, high)."""
    return low + (high - low) * torch.rand(count, generator=generator)


def affine(images: Tensor, angle: Tensor, scale: Tensor, shift_x: Tensor, shift_y: Tensor) -> Tensor:
    """Look at each image through a window of `scale` of its side, turned by `angle` (radians) and shifted.

    Shifts are in half sides (1 is from the centre to the border). Bilinear; beyond the border it is repeated.
    """
    cosine, sine = scale * torch.cos(angle), scale * torch.sin(angle)
    theta = torch.stack([torch.stack([cosine, -sine, shift_x], 1), torch.stack([sine, cosine, shift_y], 1)], 1)
    grid = F.affine_grid(theta.to(images.device), list(images.shape), align_corners=False)
    return F.grid_sample(images, grid, mode="bilinear", padding_mode="border", align_corners=False)


def crop(images: Tensor, generator: torch.Generator) -> Tensor:
    """A random square of 0.85 to 1 of the side, resized back."""
    scale = uniform(len(images), 0.85, 1.0, generator)
    margin = 1 - scale
    shift_x, shift_y = (margin * uniform(len(images), -1, 1, generator) for _ in range(2))
    return affine(images, torch.zeros(len(images)), scale, shift_x, shift_y)


def rotation(images: Tensor, generator: torch.Generator) -> Tensor:
    """A turn of -7 to 7 degrees about the centre."""
    zero = torch.zeros(len(images))
    return affine(images, uniform(len(images), -7, 7, generator) * math.pi / 180, zero + 1, zero, zero)


def gamma(images: Tensor, generator: torch.Generator, low: float = 0.75, high: float = 1.33) -> Tensor:
    """x to the power of `low` to `high`, uniform in the logarithm."""
    exponent = uniform(len(images), math.log(low), math.log(high), generator).exp()
    return images.clamp(0, 1).pow(exponent.to(images.device)[:, None, None, None])


def noise(images: Tensor, generator: torch.Generator, low: float = 0.02, high: float = 0.06) -> Tensor:
    """Gaussian noise of deviation `low` to `high`, clipped to the range."""
    deviation = uniform(len(images), low, high, generator)[:, None, None, None]
    drawn = deviation * torch.randn(images.shape, generator=generator)
    return (images + drawn.to(images.device)).clamp(0, 1)


def _jpeg_channel(plane: np.ndarray, quality: int) -> np.ndarray:
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(plane).save(buffer, format="JPEG", quality=quality)
    return np.asarray(Image.open(buffer))


def jpeg(images: Tensor, generator: torch.Generator, low: int = 40, high: int = 90) -> Tensor:
    """Baseline JPEG of quality `low` to `high`; three channels are colour, any other number is coded plane by plane."""
    quality = torch.randint(low, high + 1, (len(images),), generator=generator).tolist()
    pixels = to_uint8(images.permute(0, 2, 3, 1))
    out = np.empty_like(pixels)
    for index, image in enumerate(pixels):
        if image.shape[2] == 3:
            out[index] = _jpeg_channel(np.ascontiguousarray(image), quality[index])
        else:
            for plane in range(image.shape[2]):
                out[index, :, :, plane] = _jpeg_channel(np.ascontiguousarray(image[:, :, plane]), quality[index])
    return to_float(torch.from_numpy(out).permute(0, 3, 1, 2), images.device)


def codec_round_trip(images: Tensor, codec: Codec) -> Tensor:
    """Through the codec and back, clipped to the range."""
    with torch.no_grad():
        return codec.decode(codec.encode(images)).clamp(0, 1).to(images.device, torch.float32)


def perturb(name: str, images: Tensor, generator: torch.Generator, codec: Codec | None = None) -> Tensor:
    """The copy `name` (one of `PERTURBATIONS`) of each image; `codec` without a codec is a `ValueError`."""
    if name == "codec":
        if codec is None:
            raise ValueError("the perturbation 'codec' needs a codec")
        return codec_round_trip(images, codec)
    functions = {"crop": crop, "rotation": rotation, "gamma": gamma, "noise": noise, "jpeg": jpeg}
    if name not in functions:
        raise ValueError(f"no perturbation {name!r}; there are {', '.join(PERTURBATIONS)}")
    return functions[name](images, generator)


def on_some(images: Tensor, share: float, generator: torch.Generator, function: Callable[[Tensor], Tensor]) -> Tensor:
    """Apply `function` to a random `share` of the batch."""
    chosen = torch.randperm(len(images), generator=generator)[: round(share * len(images))]
    if len(chosen):
        images = images.clone()
        images[chosen.to(images.device)] = function(images[chosen.to(images.device)])
    return images


def augment_mildly(images: Tensor, generator: torch.Generator) -> Tensor:
    """For the classifier: window 0.9 to 1.05, turn up to 7 degrees, gamma 0.8 to 1.25; findings keep their place."""
    count = len(images)
    scale = uniform(count, 0.9, 1.05, generator)
    angle = uniform(count, -7, 7, generator) * math.pi / 180
    shift_x, shift_y = (uniform(count, -0.05, 0.05, generator) for _ in range(2))
    return gamma(affine(images, angle, scale, shift_x, shift_y), generator, 0.8, 1.25)


def gallery_views(images: Tensor, views: int) -> Tensor:
    """Fixed views of float images [n, C, H, W]: float [n, views, C, H, W], the image itself first.

    6 views add windows of 0.88 of the side at the centre and the four corners; 11 add the same of 0.94. Whoever looks
    for a cropped copy then looks at a window close to the crop, so the network need not forget scale and place.
    """
    scales = {1: (), 6: (0.88,), 11: (0.88, 0.94)}[views]
    zero = torch.zeros(len(images))
    stack = [images]
    for scale in scales:
        margin = 1 - scale
        for x, y in ((0, 0), (-1, -1), (-1, 1), (1, -1), (1, 1)):
            stack.append(affine(images, zero, zero + scale, zero + margin * x, zero + margin * y))
    return torch.stack(stack, dim=1)
