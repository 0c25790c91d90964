"""The findings of the chest phantom: how each changes the anatomy, and what it draws into the lungs.

Every function takes only the images that show the finding. `adapt_…` returns changed parameters; `veil_…` returns the
share of the air that is replaced by water, float32 [b, p].
"""

from __future__ import annotations

import numpy as np

from .chest_anatomy import View, branches, from_hilum
from .shapes import ball, bump, step

FOCI = 5


def adapt_atelectasis(view: View) -> dict[str, np.ndarray]:
    """Volume loss: the dome of the side rises, the mediastinum follows."""
    raised = 0.07 + 0.13 * view.severity
    return {
        **_on_side(view, "dome", -raised),
        "mediastinum_shift": view.side * (0.025 + 0.055 * view.severity),
    }


def veil_atelectasis(view: View) -> np.ndarray:
    """Plates parallel to the dome, and a wedge of collapsed lobe between hilum, spine and dome."""
    x, y = view.lung(view.side)
    within = step(1.0 - x * x, 0.05)
    base = (view.of_side("dome", view.side) - 0.12) / 0.9
    tilt = 0.14 * view.a["place_x"]
    thick = 0.030 + 0.018 * view.severity + view.edge
    plates = np.zeros_like(x)
    for i, (reach, strength) in enumerate(((0.75, 0.85), (0.55, 0.65))):
        line = base - 0.13 - 0.14 * i + tilt * x + 0.08 * x * x
        extent = step(reach - np.abs(x - 0.12 * view.a[f"focus_x{i}"]), 0.06)
        plates = np.maximum(plates, strength * extent * bump((y - line) / thick))
    drop = np.clip((y + 0.22) / (base + 0.22), 0.0, 1.3)
    wedge = step((0.25 + 1.0 * view.severity) * drop - (x + 1.0), 0.03) * step(y + 0.2, 0.05)
    return within * np.maximum(plates * (0.7 + 0.3 * view.severity), (0.45 + 0.4 * view.severity) * wedge)


def adapt_cardiomegaly(view: View) -> dict[str, np.ndarray]:
    """The heart is wider, mostly towards the left."""
    a, wide = view.a, 0.45 + 0.75 * view.severity
    return {
        "heart_width": a["heart_width"] * (1.0 + 0.55 * wide),
        "heart_height": a["heart_height"] * (1.0 + 0.15 * wide),
        "heart_shift": a["heart_shift"] + 0.045 * wide,
    }


def veil_consolidation(view: View) -> np.ndarray:
    """One lobe, homogeneous and dense up to its fissure, with air-filled bronchi in it."""
    x, y = view.lung(view.side)
    place, severity = view.a["place_y"], view.severity
    right = view.side < 0
    upper = place < np.where(right, -0.35, 0.0)
    middle = right & (np.abs(place) <= 0.35)
    grown = 0.34 + 0.50 * severity
    fissure = -0.10 + 0.10 * x
    above = step(fissure - y, view.soft) * step(y - fissure + grown, 0.05)
    between = (
        step(y - fissure, view.soft) * step(0.28 + 0.25 * severity - y, 0.04) * step(0.35 + 0.5 * severity - x, 0.05)
    )
    below = step(y - 0.45 + grown + 0.12 * x, 0.035)
    lobe = np.where(upper, above, np.where(middle, between, below))
    distance, angle = from_hilum(view)
    airways = np.maximum(branches(view, distance, angle, 0), branches(view, distance, angle, 1))
    return (0.66 + 0.28 * severity) * step(1.05 - np.abs(x), 0.05) * lobe * (1.0 - 0.55 * airways)


def adapt_edema(view: View) -> dict[str, np.ndarray]:
    """Congestion: fuller lung roots and a slightly wide heart."""
    a, severity = view.a, view.severity
    return {
        "hilum_density_r": a["hilum_density_r"] * (1.15 + 0.3 * severity),
        "hilum_density_l": a["hilum_density_l"] * (1.15 + 0.3 * severity),
        "heart_width": a["heart_width"] * (1.02 + 0.06 * severity),
    }


def veil_edema(view: View) -> np.ndarray:
    """A bat wing round both hila that spares the periphery, a haze, and septal lines at the bases (Kerley B)."""
    severity = view.severity
    distance, angle = from_hilum(view)
    radius = 0.40 + 0.16 * severity
    wing = ball(distance / (radius * 1.25), 0.35 * angle)
    cloud = 0.9 + 0.1 * np.sin(19.0 * view.u + 3.0 * view.a["focus_x0"]) * np.sin(
        17.0 * view.v + 3.0 * view.a["focus_y0"]
    )
    lateral = np.abs(view.u) / view.width
    region = step(lateral - 0.80, 0.02) * step(view.v - 0.08, 0.03)
    pitch = np.float32(0.062)
    # finer than the pixels can show: fainter, not aliased
    seen = np.clip(pitch / view.edge - 2.5, 0.0, 1.0)
    wave = np.cos((2 * np.pi / pitch) * (view.v - 0.12 * lateral) + 3.0 * view.a["focus_y1"])
    septa = seen * region * np.maximum(wave - 0.55, 0.0) * 2.2
    return (0.36 + 0.42 * severity) * wing * cloud + 0.10 + 0.14 * severity + (0.18 + 0.2 * severity) * septa


def adapt_effusion(view: View) -> dict[str, np.ndarray]:
    """Fluid above the dome, on the right, the left or both sides."""
    fluid, dry = 0.16 + 0.36 * view.severity, np.float32(-1.0)
    return {
        "fluid_r": np.where(view.a["side"] < 0.4, fluid, dry),
        "fluid_l": np.where(view.a["side"] > -0.4, fluid, dry),
    }


def veil_pneumonia(view: View) -> np.ndarray:
    """Patches without sharp borders, mottled, several in one lung; when severe also in the other."""
    a, u, v, severity = view.a, view.u, view.v, view.severity
    near, far = view.lung(view.side), view.lung(-view.side)
    wave_x = np.sin(11.0 * v + 3.0 * a["place_x"]) + 0.5 * np.sin(23.0 * u + 3.0 * a["place_y"])
    wave_y = np.sin(13.0 * u + 3.0 * a["place_y"]) + 0.5 * np.sin(21.0 * v + 3.0 * a["place_x"])
    mottle = np.sin(31.0 * u + 9.0 * v) * np.sin(29.0 * v - 8.0 * u + 2.0 * wave_x)
    total = np.zeros_like(u)
    for i in range(FOCI):
        x, y = near if i < 3 else far
        x = x - np.clip(0.05 + 0.36 * a[f"focus_x{i}"], -0.65, 0.60) + 0.20 * wave_x
        y = y - np.clip(0.02 + 0.22 * a[f"focus_y{i}"], -0.60, 0.28) + 0.07 * wave_y
        there = step(severity - (-0.2, 0.05, 0.35, 0.55, 0.75)[i], 0.08)
        patch = there * ball(x / 0.75, y / (0.24 + 0.08 * severity))
        total = total + patch - 0.6 * total * patch
    return (0.50 + 0.34 * severity) * np.minimum(total * 1.3, 1.0) * (0.90 + 0.16 * mottle)


def adapt_pneumothorax(view: View) -> dict[str, np.ndarray]:
    """Tension pushes the mediastinum away and the dome down."""
    tension = np.maximum(view.severity - 0.55, 0.0)
    return {**_on_side(view, "dome", 0.10 * view.severity), "mediastinum_shift": -view.side * 0.14 * tension}


def collapse(view: View) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The collapsed lung of a pneumothorax: its air-filled gap 0..1, its pleural line 0..1, its compression 0..1."""
    x, y = view.lung(view.side)
    gap = 0.15 + 0.38 * view.severity
    inner_x, inner_y = (x + gap) / (1.0 - 0.75 * gap), (y - 0.55 * gap) / (1.0 - 0.45 * gap)
    shape = view.a["lung_shape"]
    radius = (np.abs(inner_x) ** shape + np.abs(inner_y) ** shape) ** (1.0 / shape)
    own = step(1.12 - np.abs(x), 0.04)
    inside = np.where((inner_x < 0) & (inner_y > 0), np.float32(1.0), step((1.0 - radius) * 0.3, view.edge))
    line = bump((radius - 1.0) * 0.3 / (0.010 + view.edge)) * (0.010 / (0.010 + 0.4 * view.edge))
    line = line * ((inner_x > 0) | (inner_y < 0))
    return own * (1.0 - inside), own * line, own * inside


def _on_side(view: View, name: str, change: np.ndarray) -> dict[str, np.ndarray]:
    """`name`_r and `name`_l with `change` added on the side of the finding."""
    right = view.side < 0
    return {
        f"{name}_r": view.a[f"{name}_r"] + np.where(right, change, np.float32(0.0)),
        f"{name}_l": view.a[f"{name}_l"] + np.where(right, np.float32(0.0), change),
    }
