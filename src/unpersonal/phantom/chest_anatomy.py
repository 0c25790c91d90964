"""The organs of the chest phantom: each a formula over the image plane.

Legend: b images, p = size² pixels; u left to right, v head to foot, both -1..1 over the image. The patient's right is
at the image's left, where the sign of a side is -1.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from .shapes import ball, bump, step

RIBS = 8
WAVES = 6
TREES = ((5, 0.05, 0.34, 0.30), (9, 0.10, 0.62, 0.24), (16, 0.30, 0.95, 0.20))
"""Generations of vessels: how many in a turn, begin and end (distance from the hilum), half width (rad of the wave)."""


@dataclass(frozen=True)
class View:
    """Some images of a batch: anatomy [b, 1] each, severity [b, 1], coordinates [b, p], softness of a sharp border."""

    a: Mapping[str, np.ndarray]
    severity: np.ndarray
    u: np.ndarray
    v: np.ndarray
    edge: np.float32

    @property
    def soft(self) -> np.float32:
        """Softness of the border of an organ, which moves during the exposure."""
        return np.maximum(self.edge, np.float32(0.016))

    @property
    def width(self) -> np.ndarray:
        """Half width of the rib cage at each height [b, p]."""
        return self.a["thorax_width"] - self.a["thorax_taper"] * self.v * self.v

    @property
    def side(self) -> np.ndarray:
        """The side of the subject's finding [b, 1]: -1 is the patient's right."""
        return np.where(self.a["side"] < 0, np.float32(-1.0), np.float32(1.0))

    def take(self, rows: np.ndarray) -> View:
        """The same of some of the images."""
        a = {name: value[rows] for name, value in self.a.items()}
        return View(a, self.severity[rows], self.u[rows], self.v[rows], self.edge)

    def of_side(self, name: str, sign: np.ndarray | float) -> np.ndarray:
        """The parameter `name`_r or `name`_l."""
        return np.where(np.asarray(sign) < 0, self.a[f"{name}_r"], self.a[f"{name}_l"])

    def lung(self, sign: np.ndarray | float) -> tuple[np.ndarray, np.ndarray]:
        """Coordinates in the lung of one side: x -1 (medial) to 1 (lateral), y -1 (apex) to about 0.45 (base)."""
        half = self.of_side("lung_width", sign)
        x = sign * (self.u - self.a["mediastinum_shift"]) - 0.13 - half - self.a["lung_lean"] * (self.v - 0.1)
        return x / (half * 1.05), (self.v - 0.12) / (0.12 - self.a["lung_apex"])


def body(view: View) -> np.ndarray:
    """1 inside the trunk, neck and shoulders, 0 in the air around them; arms begin behind a gap."""
    a, v, soft, side = view.a, view.v, view.soft, np.abs(view.u)
    beyond = np.maximum(side - a["neck_width"], 0.0)
    shoulder = a["shoulder_height"] + a["shoulder_slope"] * beyond * (0.4 + beyond)
    above = step(v - shoulder, soft)
    neck = step(a["neck_width"] - side, soft * 2.0)
    outside = side - view.width - 0.10 - 0.45 * np.maximum(-v - 0.25, 0.0)
    arm = step(outside - a["arm_gap"], soft) * 0.8
    return np.maximum(above * np.maximum(step(-outside, soft), arm), neck)


def lungs(view: View) -> np.ndarray:
    """Aerated share 0..1: superellipses cut by the diaphragm and by pleural fluid with its meniscus."""
    a, v, soft = view.a, view.v, view.soft
    total = np.zeros_like(v)
    height = None
    for sign, end in ((-1.0, "r"), (1.0, "l")):
        x, y = view.lung(sign)
        height = np.abs(y) ** a["lung_shape"] if height is None else height
        inside = step((1.0 - np.abs(x) ** a["lung_shape"] - height) * a[f"lung_width_{end}"], soft * 1.3)
        dome, lateral = a[f"dome_{end}"], x - 0.1
        floor = dome + a["dome_curve"] * 0.22 * lateral * lateral * (0.6 + (lateral > 0))
        climb = np.maximum(x, -0.3)
        meniscus = dome + 0.12 - a[f"fluid_{end}"] - 0.16 * climb * climb
        total += inside * step(np.minimum(floor, meniscus) - v, soft)
    return total


def heart(view: View, u: np.ndarray) -> np.ndarray:
    """A tilted ellipse, apex to the image's right, under the pedicle of the great vessels."""
    a = view.a
    u = u - a["mediastinum_shift"]
    x, y = u - a["heart_shift"], view.v - a["heart_level"]
    cos, sin = np.cos(a["heart_tilt"]), np.sin(a["heart_tilt"])
    along, across = (cos * x + sin * y) / (a["heart_width"] * 1.22), (cos * y - sin * x) / (a["heart_height"] * 0.92)
    ventricles = step((1.0 - np.sqrt(along * along + across * across)) * a["heart_width"], view.soft * 1.5)
    drop = np.clip((view.v - a["arch_level"]) / (a["heart_level"] - a["arch_level"]), 0.0, 1.0)
    reach = a["mediastinum_width"] * 0.9 + (a["heart_width"] * 0.75 - a["mediastinum_width"]) * drop * drop
    pedicle = step(reach - np.abs(u - a["heart_shift"] * drop * 0.7), view.soft * 1.5)
    pedicle *= step(view.v - a["arch_level"], view.soft * 3.0) * step(a["heart_level"] + 0.1 - view.v, view.soft * 3.0)
    return a["heart_density"] * np.maximum(ventricles, 0.75 * pedicle)


def mediastinum(view: View, u: np.ndarray) -> np.ndarray:
    """Central soft tissue with the aortic arch, less the air of the trachea and of the main bronchi."""
    a, v, soft = view.a, view.v, view.soft
    u = u - a["mediastinum_shift"]
    band = a["mediastinum_density"] * step(a["mediastinum_width"] - np.abs(u), soft * 2.0)
    size = 1.5 * a["arch_size"]
    arch = 0.5 * ball((u - 0.11) / size, (v - a["arch_level"]) / size)
    below = v - a["carina_level"]
    away = np.abs(u - a["trachea_shift"])
    trachea = bump(away / (1.6 * a["trachea_width"])) * step(-below, soft * 2.0)
    bronchi = (
        bump((away - 1.1 * below) / (1.5 * a["trachea_width"])) * step(below, soft) * step(0.13 - below, soft * 2.0)
    )
    return band + arch - 0.40 * trachea - 0.22 * bronchi


def spine(view: View, u: np.ndarray) -> np.ndarray:
    """Vertebral bodies, brighter than the disc spaces, along a slightly curved line, with their pedicles."""
    a, v = view.a, view.v
    place = np.abs(u - a["spine_curve"] * np.sin(2.2 * v + a["spine_phase"]))
    bodies = np.cos((2 * np.pi) * v / a["vertebra_pitch"] + a["spine_phase"])
    column = step(a["spine_width"] - place, np.maximum(view.edge, np.float32(0.010)))
    pedicles = bump((place - 0.62 * a["spine_width"]) / (0.26 * a["spine_width"] + view.edge)) * np.maximum(bodies, 0.0)
    return a["spine_density"] * (column * (0.74 + 0.26 * bodies) + 0.55 * pedicles)


def ribs(view: View, v: np.ndarray) -> np.ndarray:
    """Posterior ribs, which fall outwards, and the fainter anterior ones, which fall inwards.

    Each pixel looks at the nearest rib only: ribs do not overlap.
    """
    a = view.a
    s = np.minimum(np.abs(view.u) / view.width, 1.1)
    left = (view.u > 0) * np.int32(RIBS)
    half = a["rib_width"] * 1.5 + view.edge
    cage = step(1.04 - s, 0.02) * step(s - 0.09, 0.02)
    arch = a["rib_arch"] * s * (1.0 - s)
    back = v - a["rib_first"] - a["rib_drop"] * s * s * (0.6 + 0.4 * s) + 0.6 * arch
    front = v - a["rib_first"] - a["front_shift"] - a["front_drop"] * (1.0 - s) + arch
    behind = _nearest_rib(view, back, left, 1.0) / half
    before = _nearest_rib(view, front, left, -0.7) / half
    outer = cage * (1.0 + 0.5 * s * s)
    return outer * (a["rib_density"] * _rib(behind) + a["front_density"] * _rib(before) * step(s - 0.45, 0.08))


def _rib(x: np.ndarray) -> np.ndarray:
    """Profile across a rib: the cortex at |x| = 0.5 is brighter than the marrow between."""
    t = np.maximum(1.0 - x * x, 0.0)
    return t * (3.0 - 2.0 * t)


def _nearest_rib(view: View, depth: np.ndarray, left: np.ndarray, jitter: float) -> np.ndarray:
    """Distance [b, p] from the nearest rib of the pixel's side; levels are regular but for `jitter` times their own."""
    a = view.a
    number = depth / a["rib_pitch"]
    number = np.rint(number - number * number * (0.15 * a["rib_spread"] / a["rib_pitch"])).clip(0, RIBS - 1)
    own = np.take_along_axis(a["rib_jitter"], number.astype(np.int32) + left, axis=1)
    return depth - number * a["rib_pitch"] - number * number * (0.15 * a["rib_spread"]) - jitter * own


def clavicles(view: View) -> np.ndarray:
    """Two oblique bands from beside the midline up to the shoulders."""
    a, side = view.a, np.abs(view.u)
    line = a["clavicle_level"] - a["clavicle_slope"] * (side - 0.1) + a["clavicle_bend"] * np.sin(7.0 * side)
    line = line + a["clavicle_asymmetry"] * np.sign(view.u)
    extent = step(side - 0.09, 0.02) * step(0.74 - side, 0.03)
    return a["clavicle_density"] * extent * _rib((view.v - line) / (0.044 + view.edge))


def scapulae(view: View) -> np.ndarray:
    """The medial borders of the shoulder blades, faint, with the blade outside them."""
    a, v = view.a, view.v
    place = np.abs(view.u) - a["scapula_place"] - a["scapula_slope"] * (v + 0.3)
    extent = step(v + 0.68, 0.04) * step(0.10 - v, 0.06)
    return a["scapula_density"] * extent * (bump(place / (0.035 + view.edge)) + 0.5 * bump((place - 0.14) / 0.16))


def hila(view: View, u: np.ndarray) -> np.ndarray:
    """The lung roots: dense near the midline, fading outwards, 0..about 0.5."""
    a = view.a
    u, y = u - a["mediastinum_shift"], view.v - a["hilum_level"]
    right = ball((u + 0.20) / 0.30, (y - 0.03) * (0.7 / 0.30))
    left = ball((u - 0.22) / 0.30, (y + 0.03) * (0.7 / 0.30))
    return a["hilum_density_r"] * right + a["hilum_density_l"] * left


def texture(view: View) -> np.ndarray:
    """Coarse unevenness of the lung: a few plane waves whose directions and phases are the subject's; variance 1."""
    a = view.a
    total = np.zeros_like(view.u)
    for i in range(WAVES):
        x, y = 4.0 + a[f"vessel_x{i}"], 3.0 + a[f"vessel_y{i}"]
        total += np.sin(x * view.u + (y * view.v + 2.0 * a[f"vessel_phase{i}"]))
    return total * np.float32(np.sqrt(2.0 / WAVES))


def from_hilum(view: View) -> tuple[np.ndarray, np.ndarray]:
    """Distance from the hilum of the own side and angle (0 is lateral, positive downwards), [b, p] each."""
    x = np.maximum(np.abs(view.u - view.a["mediastinum_shift"]) - 0.13, 1e-3)
    y = view.v - view.a["hilum_level"]
    return np.sqrt(x * x + y * y), np.arctan2(y, x)


def branches(view: View, distance: np.ndarray, angle: np.ndarray, generation: int) -> np.ndarray:
    """Ridges 0..1 of one generation of vessels or airways running out from the hilum, bent as the subject's are."""
    a = view.a
    count, begin, end, half = TREES[generation]
    far = 0.5 * (begin + end)
    # thinner than a pixel: as wide as one, and as much fainter
    wide = np.float32(np.hypot(half, view.edge * count / far * 0.7))
    bend = np.where(view.u > 0, a[f"vessel_phase{generation}"], a[f"vessel_phase{generation + 3}"])
    wave = np.cos(count * angle + bend * (2.0 + 2.2 * distance))
    ridge = np.maximum(1.0 - (1.0 - wave) * (2.0 / wide**2), 0.0) * np.float32(half / wide)
    return ridge * (step(distance - begin, 0.03) * step(end - distance, 0.08))


def vessels(view: View) -> np.ndarray:
    """The vascular tree of both lungs: three generations, fainter outwards."""
    distance, angle = from_hilum(view)
    tree = branches(view, distance, angle, 0)
    tree += 0.75 * branches(view, distance, angle, 1)
    tree += 0.5 * branches(view, distance, angle, 2)
    return tree


def breasts(view: View) -> np.ndarray:
    """Two soft shadows over the lower lungs."""
    a = view.a
    x, y = np.abs(view.u) - a["breast_place"], view.v - a["breast_level"]
    return np.maximum(a["breast_density"], 0.0) * ball(x / 0.36, y * (1.18 / 0.36))


def stomach(view: View, u: np.ndarray) -> np.ndarray:
    """The gas bubble under the left dome."""
    a = view.a
    return (
        np.maximum(a["stomach_air"], 0.0)
        * 1.6
        * ball((u - a["stomach_place"]) / 0.20, (view.v - a["dome_l"] - 0.20) / 0.11)
    )
