"""The rare variants of the chest phantom, drawn for each subject whatever the label.

Every function takes only the images that show the variant.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from .chest_anatomy import RIBS, View
from .shapes import ball, bump, step

NODULES = 3
LEADS = (
    ((0.47, -0.44), (0.30, -0.60), (0.10, -0.56), (-0.07, -0.34), (-0.08, 0.02), (0.02, 0.30), (0.20, 0.42)),
    ((0.47, -0.44), (0.29, -0.58), (0.10, -0.53), (-0.05, -0.34), (-0.06, 0.06), (-0.10, 0.16), (-0.06, 0.20)),
)
"""Way of the two leads of a pacemaker from the box through the veins, (u, v)."""


def adapt_dextrocardia(view: View) -> dict[str, np.ndarray]:
    """Situs inversus: heart, arch, stomach and the sizes of the lungs change sides."""
    pairs = ("lung_width", "dome", "hilum_density")
    swapped = {f"{name}_{one}": view.a[f"{name}_{other}"] for name in pairs for one, other in ("rl", "lr")}
    return {**swapped, "mirror": -np.ones_like(view.a["side"])}


def adapt_missing_rib(view: View) -> dict[str, np.ndarray]:
    """One rib of the third to seventh pair is moved out of the picture."""
    number = np.clip(np.rint(4.0 + 1.2 * view.a["rare_x0"]), 2, RIBS - 2).astype(int)
    jitter = view.a["rib_jitter"].copy()
    side = (view.a["rare_side"] > 0).astype(int)
    np.put_along_axis(jitter, number + RIBS * side, np.float32(9.0), axis=1)
    return {"rib_jitter": jitter}


def bend_scoliosis(view: View) -> tuple[np.ndarray, np.ndarray]:
    """Displacement of the spine [b, p] and how far the ribs sink with it [b, p]."""
    a = view.a
    sign = np.where(a["rare_side"] < 0, np.float32(-1.0), np.float32(1.0))
    reach = sign * np.clip(0.13 + 0.04 * a["rare_size"], 0.06, 0.20)
    phase = 2.6 * view.v + 0.5 * a["rare_x0"]
    return reach * np.cos(phase), -2.6 * reach * np.sin(phase) * view.u * 0.5


def draw_pacemaker(view: View) -> np.ndarray:
    """Density of the box under the left clavicle and of its two leads."""
    a, edge = view.a, view.edge
    x, y = view.u - 0.53 - 0.02 * a["rare_x0"], view.v + 0.40 + 0.02 * a["rare_y0"]
    size = 0.10 + 0.008 * a["rare_size"]
    box = step(size - np.sqrt(np.sqrt(x**4 + (1.15 * y) ** 4)), edge)
    wire = np.zeros_like(x)
    for lead in LEADS:
        away = np.full_like(x, 9.0)
        for (u0, v0), (u1, v1) in pairwise(lead):
            du, dv = u1 - u0, v1 - v0
            along = np.clip(((view.u - u0) * du + (view.v - v0) * dv) / (du * du + dv * dv), 0.0, 1.0)
            away = np.minimum(away, (view.u - u0 - along * du) ** 2 + (view.v - v0 - along * dv) ** 2)
        wire = np.maximum(wire, bump(np.sqrt(away) / (0.010 + edge)))
    return np.maximum(2.4 * box, 1.1 * wire)


def draw_nodules(view: View) -> np.ndarray:
    """Density of one to three round shadows in the lungs."""
    a = view.a
    total = np.zeros_like(view.u)
    for i in range(NODULES):
        there = np.float32(1.0) if i == 0 else a["rare_size"] > (-0.4, 0.5)[i - 1]
        x, y = view.lung(np.where(a[f"rare_y{i}"] + a["rare_side"] < 0, np.float32(-1.0), np.float32(1.0)))
        x, y = x - np.clip(0.30 * a[f"rare_x{i}"], -0.6, 0.6), y - np.clip(0.28 * a[f"rare_y{i}"] - 0.15, -0.65, 0.25)
        # the lung's own coordinates are not isotropic: 0.3 and 0.9 half image widths
        radius = np.clip(0.065 + 0.012 * a[f"rare_x{i}"], 0.045, 0.09)
        total += there * ball(0.30 * x / radius, 0.90 * y / radius)
    return 0.75 * total
