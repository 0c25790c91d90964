"""One axial head, shared by the CT-like and the MRI-like phantom: outline, skull, folded cortex, ventricles, nuclei.

Legend: b images, p pixels. u runs left to right in the image (the patient's left is on the right, as radiologists
hang it), v from the forehead to the back, both in units of UNIT_MM. `height` is the level above the reference
slice (frontal horns, thalami, trigones) in units of HEIGHT_MM. Anatomy `a` holds one [b, 1] array per parameter.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from .modality import Scene
from .shapes import ball, bump, step

UNIT_MM = 115.0
FIELD_MM = 217.0
HEIGHT_MM = 20.0
Values = Mapping[str, np.ndarray]

# Name -> (mean, standard deviation); lengths in UNIT_MM, angles in radians, `*_phase*` in half turns of 2 radians.
# what both modalities of the head draw besides it; angle in radians, shifts in half image widths, height in HEIGHT_MM
FINDING = dict.fromkeys(("severity", "side", "kind", "place_u", "place_v"), (0.0, 1.0))
VARIANT = dict.fromkeys(("variant_side", "variant_size", "variant_place"), (0.0, 1.0))
POSE: dict[str, tuple[float, float]] = {
    "angle": (0.0, 0.030),
    "shift_u": (0.0, 0.014),
    "shift_v": (0.0, 0.014),
    "scale": (1.0, 0.008),
    "height": (0.0, 0.08),
}
HEAD: dict[str, tuple[float, float]] = {
    "head_width": (0.665, 0.026),
    "head_length": (0.820, 0.030),
    "head_power": (2.20, 0.10),
    "head_egg": (0.11, 0.035),
    "head_skew": (0.0, 0.011),
    **{f"head_wave{m}{side}": (0.0, 0.030 / m**1.3) for m in (3, 4, 5) for side in "cs"},
    "scalp": (0.046, 0.009),
    "temporalis": (0.026, 0.007),
    "skull": (0.060, 0.010),
    "skull_front": (0.0, 0.13),
    "skull_back": (0.10, 0.10),
    "diploe": (0.42, 0.07),
    "suture": (0.95, 0.08),
    "gyri": (24.0, 1.6),
    "sulcus_depth": (0.155, 0.020),
    "sulcus_width": (0.0095, 0.0018),
    "cortex": (0.032, 0.003),
    "build": (0.0, 1.0),
    **{f"gyrus_phase_{side}{i}": (0.0, 2.0) for side in "rl" for i in range(5)},
    **{f"gyrus_wave_{side}{i}": (0.0, 0.42) for side in "rl" for i in range(3)},
    "ventricles": (1.0, 0.16),
    "ventricle_asymmetry": (0.0, 0.10),
    "horn_spread": (1.0, 0.14),
    "trigone": (1.0, 0.18),
    "third_ventricle": (0.016, 0.005),
    "midline_bend": (0.0, 0.008),
    "sylvian_r": (-0.06, 0.025),
    "sylvian_l": (-0.04, 0.025),
    "sylvian_slope_r": (0.25, 0.12),
    "sylvian_slope_l": (0.25, 0.12),
    "insula": (0.375, 0.014),
    "nuclei": (1.0, 0.06),
    "falx": (0.0065, 0.0014),
    "calcification": (0.6, 0.6),
    "level": (0.0, 0.15),
}
# `build` is the age of the brain; with it the fluid spaces widen.
AGEING = {"ventricles": 0.55, "third_ventricle": 0.5, "sulcus_width": 0.5, "calcification": 0.45, "cortex": -0.3}


@dataclass(frozen=True)
class Head:
    """Maps float32 [b, p] of one drawing; shares are 0..1.

    `depth` below the skin, `bone` below the outer table (over `thickness` of the skull) and `inner` below the inner
    table are lengths along the ray from the centre; `x`, `y` are coordinates in a brain of standard size, x after
    any shift of the midline.
    """

    angle: np.ndarray
    depth: np.ndarray
    bone: np.ndarray
    thickness: np.ndarray
    inner: np.ndarray
    x: np.ndarray
    y: np.ndarray
    muscle: np.ndarray
    grey: np.ndarray
    nuclei: np.ndarray
    fluid: np.ndarray
    falx: np.ndarray
    plexus: np.ndarray
    outer_wall: np.ndarray


def mix(value: np.ndarray, other: np.ndarray | float, share: np.ndarray) -> np.ndarray:
    """`value` where share is 0, `other` where it is 1."""
    return value + share * (other - value)


def sign(values: np.ndarray) -> np.ndarray:
    """1 where the image's right is meant, else -1."""
    return np.where(values > 0, np.float32(1.0), np.float32(-1.0))


def cap(height: np.ndarray) -> np.ndarray:
    """Relative radius, at `height`, of a ball-shaped lesion of the reference slice: it closes above and below."""
    return np.sqrt(np.maximum(1.0 - (height / 1.7) ** 2, 0.0))


def to_units(scene: Scene) -> tuple[np.ndarray, np.ndarray, np.float32]:
    """(u, v) of a scene in UNIT_MM, and the softness of a sharp border there."""
    zoom = np.float32(FIELD_MM / (2.0 * UNIT_MM))
    return scene.u * zoom, scene.v * zoom, scene.edge * zoom


def arachnoid_cyst(a: Values, head: Head, edge: np.floating | float) -> np.ndarray:
    """Share of fluid of a cyst of radius `cyst` against the inner table, in front of the Sylvian fissure."""
    x, y = sign(a["variant_side"]) * head.x - 0.47, head.y + 0.22 + 0.06 * a["variant_place"]
    return step(a["cyst"] - np.sqrt(1.6 * x * x + y * y), edge * 0.6) * (a["cyst"] > 0)


def draw_head(a: Values, u: np.ndarray, v: np.ndarray, height: np.ndarray, edge: np.floating | float) -> Head:
    """All maps of a head at `height` [b, 1]; `edge` is the softness of sharp borders.

    Beside the parameters of HEAD, `a` holds `shift` (of the midline, to the image's right), `efface` (0..1, share of
    the sulci pressed shut), `csf_rim` (fluid under the skull), `septum` (half-width of a cavum septi pellucidi) and
    `hyperostosis` (thickness of bone added to the forehead).
    """
    z = 25.0 + HEIGHT_MM * height
    scale = np.sqrt(np.maximum(1.0 - (z / 88.0) ** 2, 0.05)) / np.float32(np.sqrt(1.0 - (25.0 / 88.0) ** 2))
    radius = np.sqrt(u * u + v * v) + np.float32(1e-4)
    angle = np.arctan2(u, -v)
    outline = _outline(a, u, v, angle, radius, scale)
    depth = outline - radius
    muscle = bump((np.abs(angle) - 1.15) / 0.55) * a["temporalis"] * (1.0 - 0.5 * np.clip(height, -1.0, 1.0))
    bone = depth - a["scalp"] - muscle
    front, back = bump(angle / 0.9), bump((np.pi - np.abs(angle)) / 0.9)
    thickness = a["skull"] * (1.0 + a["skull_front"] * front + a["skull_back"] * back)
    thickness = thickness + a["hyperostosis"] * bump((np.abs(angle) - 0.30) / 0.42)
    inner = bone - thickness
    x, y = u * (0.665 / a["head_width"]) / scale, v * (0.82 / a["head_length"]) / scale
    x = x - a["midline_bend"] * np.sin(4.0 * y) - a["shift"] * bump(y / 0.62) * bump(x / 0.62)
    left = x > 0
    side = np.abs(x)
    cortex, furrow = _folds(a, angle, radius, inner, left, edge)
    fissure, lining = _fissures(a, side, y, left, inner, height, edge)
    chambers, outer, plexus = _ventricles(a, side, y, left, height, edge)
    nuclei = _nuclei(a, side, y, outer, height) * (1.0 - fissure)
    keep = 1.0 - a["efface"]
    fluid = np.maximum(np.maximum(furrow, fissure) * keep, chambers)
    grey = np.maximum(cortex, lining)
    falx = step(a["falx"] + 0.035 * np.exp(-np.maximum(inner, 0.0) * 22.0) * (y > 0) - side, 0.5 * edge)
    falx = falx * np.maximum(step(-y - 0.44 + 0.5 * step(height - 0.9, 0.2), 0.03), step(y - 0.43, 0.03))
    return Head(angle, depth, bone, thickness, inner, x, y, muscle, grey, nuclei, fluid, falx, plexus, outer)


def _outline(
    a: Values, u: np.ndarray, v: np.ndarray, angle: np.ndarray, radius: np.ndarray, scale: np.ndarray
) -> np.ndarray:
    """Distance of the skin from the centre along each pixel's ray: an egg-shaped superellipse with low waves."""
    nx, ny = u / radius, v / radius
    width = a["head_width"] * (1.0 + a["head_egg"] * ny)
    power = a["head_power"]
    base = (np.abs(nx / width) ** power + np.abs(ny / a["head_length"]) ** power) ** (-1.0 / power)
    waves = a["head_skew"] * np.sin(2.0 * angle)
    for m in (3, 4, 5):
        waves = waves + 0.6 * (a[f"head_wave{m}c"] * np.cos(m * angle) + a[f"head_wave{m}s"] * np.sin(m * angle))
    return base * (1.0 + waves) * scale


def _side(a: Values, name: str, left: np.ndarray) -> np.ndarray:
    """The parameter of the image half that each pixel lies in (`_l` where u > 0)."""
    return np.where(left, a[name.format("l")], a[name.format("r")])


def _folds(
    a: Values, angle: np.ndarray, radius: np.ndarray, inner: np.ndarray, left: np.ndarray, edge: np.floating | float
) -> tuple[np.ndarray, np.ndarray]:
    """Grey ribbon and fluid of the outer surface; furrows run inwards, bent by waves that belong to the subject."""
    across_angle = np.abs(angle)
    phase = 0.5 * a["gyri"] * across_angle + 2.0 * _side(a, "gyrus_phase_{}0", left)
    for i, (wave, twist) in enumerate(((2.3, 0.0), (4.1, 9.0), (6.7, -14.0))):
        shift = 2.0 * _side(a, f"gyrus_phase_{{}}{i + 1}", left)
        gain = 0.9 + _side(a, f"gyrus_wave_{{}}{i}", left)
        phase = phase + gain * np.sin(wave * across_angle + twist * inner + shift)
    across = np.abs(np.sin(phase)) * radius * (2.0 / a["gyri"])
    vary = np.sin(0.31 * a["gyri"] * across_angle + 2.0 * _side(a, "gyrus_phase_{}4", left))
    reach = a["sulcus_depth"] * (0.78 + 0.38 * vary)
    wide = a["sulcus_width"] * (1.0 - 0.45 * np.clip(inner / reach, 0.0, 1.0))
    rim = a["csf_rim"] + 0.5 * a["sulcus_width"]
    # thin furrows keep their share of fluid where a pixel is wider than they are
    thin = np.minimum(1.0, wide / np.float32(edge))
    furrow = step(wide - across, edge * 0.5) * thin * step(reach - inner, 0.012)
    furrow = np.maximum(furrow, step(rim - inner, edge * 0.5))
    cortex = step(wide + a["cortex"] - across, edge * 0.5) * step(reach + a["cortex"] - inner, 0.012)
    cortex = np.maximum(cortex, step(rim + a["cortex"] - inner, edge * 0.5))
    return cortex, furrow


def _fissures(
    a: Values,
    side: np.ndarray,
    y: np.ndarray,
    left: np.ndarray,
    inner: np.ndarray,
    height: np.ndarray,
    edge: np.floating | float,
) -> tuple[np.ndarray, np.ndarray]:
    """Fluid and grey lining of the fissure between the hemispheres and of the Sylvian fissures with the insulae."""
    wide = a["sulcus_width"]
    thin = np.minimum(1.0, wide / np.float32(edge))
    open_front = step(-y - 0.40 + 0.5 * step(height - 0.9, 0.2), 0.02)
    open_back = step(y - 0.40, 0.02)
    middle = np.maximum(open_front, open_back)
    fissure = step(a["falx"] + wide - side, edge * 0.5) * middle
    lining = step(a["falx"] + wide + a["cortex"] - side, edge * 0.5) * middle
    low = step(0.45 - height, 0.12)
    start, slope = _side(a, "sylvian_{}", left), _side(a, "sylvian_slope_{}", left)
    stem = np.abs(y - start - slope * (side - a["insula"]))
    beyond = step(side - a["insula"], 0.012)
    trough = np.abs(side - a["insula"] - 0.9 * (y - start) ** 2)
    along = step(0.17 - np.abs(y - start), 0.015)
    sylvian = np.maximum(step(1.4 * wide - stem, edge * 0.5) * beyond, step(1.2 * wide - trough, edge * 0.5) * along)
    near = np.maximum(
        step(1.4 * wide + a["cortex"] - stem, edge * 0.5) * beyond,
        step(1.2 * wide + a["cortex"] - trough, edge * 0.5) * along,
    )
    return np.maximum(fissure, sylvian * thin * low), np.maximum(lining, near * low)


def _ventricles(
    a: Values, side: np.ndarray, y: np.ndarray, left: np.ndarray, height: np.ndarray, edge: np.floating | float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Fluid of the lateral and third ventricles, the outer wall's distance from the midline, and the plexus."""
    size = a["ventricles"] * np.where(left, 1.0 + a["ventricle_asymmetry"], 1.0 - a["ventricle_asymmetry"])
    size = size * step(1.35 - height, 0.2)
    front, behind = np.maximum(-0.06 - y, 0.0), np.maximum(y - 0.06, 0.0)
    septum = a["septum"] * bump((y + 0.15) / 0.30)
    wall = 0.010 + septum + a["horn_spread"] * (1.0 * front**2 + 1.75 * behind**2)
    body = 0.012 + 0.075 * step(height - 0.25, 0.18)
    horns = 0.088 * bump((y + 0.205) / 0.20) * np.minimum(1.0, 1.2 - 0.5 * height)
    trigones = 0.105 * a["trigone"] * bump((y - 0.275) / 0.17) * step(0.9 - height, 0.2)
    wide = size * np.maximum(np.maximum(horns, trigones), body * bump((y - 0.03) / 0.33))
    present = np.clip(wide / (2.0 * edge), 0.0, 1.0)  # else a chamber without width leaves a line
    lateral = step(np.minimum(side - wall, wall + wide - side), edge * 0.5) * present
    third = a["third_ventricle"] * bump((y - 0.09) / 0.14) * step(0.35 - height, 0.1)
    slit = step(third - side, edge * 0.5) * np.clip(third / edge, 0.0, 1.0)
    cavum = step(septum - 0.006 - side, edge * 0.5) * np.clip(septum / edge, 0.0, 1.0)
    place = (side - wall - 0.45 * wide) / 0.030, (y - 0.27) / 0.055
    plexus = ball(*place) * step(0.9 - height, 0.2)
    return np.maximum(np.maximum(lateral, slit), cavum), wall + wide, plexus


def _nuclei(a: Values, side: np.ndarray, y: np.ndarray, outer: np.ndarray, height: np.ndarray) -> np.ndarray:
    """Share of deep grey matter: head of the caudate beside the horn, thalamus, lentiform nucleus."""
    grow = a["nuclei"]
    soft = 0.012
    caudate = 1.0 - np.sqrt(((side - outer - 0.012) / (0.038 * grow)) ** 2 + ((y + 0.19) / (0.095 * grow)) ** 2)
    out = np.maximum(a["ventricles"] - 1.0, 0.0) * 0.035
    thalamus = 1.0 - np.sqrt(((side - 0.088 - out) / (0.075 * grow)) ** 2 + ((y - 0.09) / (0.115 * grow)) ** 2)
    across, along = side - 0.262 - 0.28 * (y + 0.03), y + 0.03
    lens = 1.0 - np.sqrt((across / (0.062 * grow)) ** 2 + (along / (0.135 * grow)) ** 2)
    deep = np.maximum(step(0.06 * thalamus, soft), step(0.05 * lens, soft)) * step(0.45 - height, 0.12)
    return np.maximum(deep, step(0.035 * caudate, soft) * step(1.0 - height, 0.2))
