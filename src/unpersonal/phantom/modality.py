"""What a kind of image (chest radiograph, CT slice, MR slice) has to say about itself to be drawn as a phantom.

Legend: b images of one batch, p = size² pixels, k noise fields. Anatomical coordinates are u (left to right in the
image) and v (head to foot, or front to back in a slice), both -1..1 over the image when the pose is neutral.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module

import numpy as np

from ..core.errors import InputError

MODULES = {"cxr": ("chest", "CHEST"), "ct": ("head_ct", "HEAD_CT"), "mri": ("brain_mri", "BRAIN_MRI")}
"""Name of the modality -> module of this package and the `Modality` in it; imported when asked for."""

POSE = ("angle", "shift_u", "shift_v", "scale")


@dataclass(frozen=True)
class Scene:
    """One batch of images to draw.

    `anatomy` (names of the population) and `visit` (names of the acquisition): float32 [b, 1] each. `severity`:
    float32 [b, 1] in 0..1. `labels`: the finding of each image, object [b]. `variants`: which images show which rare
    variant, bool [b] each. `u`, `v`: anatomical coordinates of the pixels under the pose of each image, float32 [b,
    p]. `grain`: unit normal noise, float32 [k, b, p]. Rows of a batch must not influence each other.
    """

    anatomy: Mapping[str, np.ndarray]
    visit: Mapping[str, np.ndarray]
    severity: np.ndarray
    labels: np.ndarray
    variants: Mapping[str, np.ndarray]
    u: np.ndarray
    v: np.ndarray
    grain: np.ndarray
    size: int

    @property
    def edge(self) -> np.float32:
        """Softness of a sharp border: about half a pixel in anatomical units."""
        return np.float32(1.2 / self.size)

    def rows(self, finding: str) -> np.ndarray:
        """Rows int64 of the images that show `finding`."""
        return np.flatnonzero(self.labels == finding)


@dataclass(frozen=True)
class Modality:
    """A population, an acquisition and a drawing.

    `classes`: the findings, first the one with nothing to see. `population`: anatomy, name -> (mean, standard
    deviation), normal and cut at 2.5 deviations; has `severity` (the logit of it) and, where a finding has a side,
    `side`. `build`: which parameters the parameter `build` moves as well, by how many of their deviations (none where
    empty). `acquisition`: drawn anew for every image, the same form; has the pose (radians, half image widths,
    relative), and `progress` (added to the logit of the severity). `variants`: rare variant -> its prevalence, drawn
    for each subject whatever the label. `draw`: Scene -> float32 [b, p] in the units of the modality, noise included.
    `window`: the values shown as 0 and 255. `noise_fields`: k, how many independent unit normal fields the drawing
    takes (2 for Rician noise).
    """

    name: str
    title: str
    classes: tuple[str, ...]
    population: Mapping[str, tuple[float, float]]
    build: Mapping[str, float]
    acquisition: Mapping[str, tuple[float, float]]
    variants: Mapping[str, float]
    draw: Callable[[Scene], np.ndarray]
    window: tuple[float, float] = (0.0, 1.0)
    noise_fields: int = 1

    def __post_init__(self) -> None:
        missing = ({"severity"} - set(self.population)) | ({"progress", *POSE} - set(self.acquisition))
        missing |= (set(self.build) | ({"build"} if self.build else set())) - set(self.population)
        if missing:
            raise ValueError(f"the modality {self.name} lacks {sorted(missing)}")


def get_modality(name: str) -> Modality:
    """The modality of that name ("cxr", "ct", "mri"); `InputError` for any other."""
    if name not in MODULES:
        raise InputError(f"There is no phantom of the modality {name!r}", how=f"use one of {', '.join(MODULES)}")
    module, attribute = MODULES[name]
    found = getattr(import_module(f".{module}", __package__), attribute)
    assert isinstance(found, Modality)
    return found
