"""A procedural chest radiograph: the embedded default data set, and a population that can be sampled without end.

A drawing is a sum of optical densities D (soft tissue and bone add, air subtracts); the detector shows 1 - exp(-D)
after exposure and gamma, bone bright and air dark. docs/phantom.md describes the model.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ..layouts.labels import CHEST8
from . import chest_anatomy as organ
from . import chest_findings as finding
from . import chest_variants as variant
from .chest_anatomy import RIBS, WAVES, View
from .modality import Modality, Scene

CLASSES = CHEST8

# Population of the anatomy: name -> (mean, standard deviation), normal and cut at 2.5 standard deviations; lengths in
# half image widths. `build` (habitus) also moves the parameters in BUILD, by that many of their standard deviations.
POPULATION: dict[str, tuple[float, float]] = {
    "build": (0.0, 1.0),
    "tissue": (0.90, 0.09),
    "thorax_width": (0.80, 0.055),
    "thorax_taper": (0.13, 0.05),
    "shoulder_height": (-0.86, 0.05),
    "shoulder_slope": (0.34, 0.09),
    "neck_width": (0.24, 0.03),
    "arm_gap": (0.10, 0.04),
    "lung_width_r": (0.295, 0.024),
    "lung_width_l": (0.280, 0.024),
    "lung_apex": (-0.78, 0.05),
    "lung_lean": (0.06, 0.03),
    "lung_shape": (2.4, 0.25),
    "lung_air": (0.98, 0.07),
    "dome_r": (0.50, 0.055),
    "dome_l": (0.57, 0.055),
    "dome_curve": (0.95, 0.25),
    "heart_width": (0.240, 0.015),
    "heart_height": (0.285, 0.025),
    "heart_tilt": (0.55, 0.16),
    "heart_shift": (0.10, 0.018),
    "heart_level": (0.31, 0.045),
    "heart_density": (0.75, 0.09),
    "mediastinum_width": (0.115, 0.018),
    "mediastinum_density": (0.34, 0.06),
    "arch_size": (0.075, 0.018),
    "arch_level": (-0.33, 0.05),
    "trachea_width": (0.040, 0.008),
    "trachea_shift": (0.0, 0.018),
    "carina_level": (-0.28, 0.05),
    "spine_width": (0.085, 0.011),
    "spine_density": (0.30, 0.06),
    "spine_curve": (0.0, 0.030),
    "spine_phase": (0.0, 2.0),
    "vertebra_pitch": (0.155, 0.012),
    "rib_first": (-0.74, 0.04),
    "rib_pitch": (0.178, 0.013),
    "rib_spread": (0.0, 0.010),
    "rib_drop": (0.23, 0.055),
    "rib_arch": (0.30, 0.07),
    "rib_width": (0.030, 0.005),
    "rib_density": (0.26, 0.055),
    "front_drop": (0.42, 0.07),
    "front_shift": (0.06, 0.045),
    "front_density": (0.12, 0.035),
    "clavicle_level": (-0.58, 0.045),
    "clavicle_slope": (0.20, 0.07),
    "clavicle_bend": (0.0, 0.05),
    "clavicle_asymmetry": (0.0, 0.025),
    "clavicle_density": (0.42, 0.07),
    "scapula_place": (0.66, 0.04),
    "scapula_slope": (-0.12, 0.06),
    "scapula_density": (0.16, 0.05),
    "hilum_level": (-0.05, 0.05),
    "hilum_density_r": (0.30, 0.07),
    "hilum_density_l": (0.30, 0.07),
    "breast_density": (0.16, 0.10),
    "breast_level": (0.38, 0.06),
    "breast_place": (0.46, 0.05),
    "stomach_air": (0.30, 0.14),
    "stomach_place": (0.40, 0.06),
    "vessel_gain": (0.075, 0.022),
    "tree_gain": (0.20, 0.05),
    **{f"rib_jitter_r{i}": (0.0, 0.012) for i in range(RIBS)},
    **{f"rib_jitter_l{i}": (0.0, 0.012) for i in range(RIBS)},
    **{f"vessel_x{i}": (0.0, 5.0) for i in range(WAVES)},
    **{f"vessel_y{i}": (0.0, 5.0) for i in range(WAVES)},
    **{f"vessel_phase{i}": (0.0, 2.0) for i in range(WAVES)},
    "place_x": (0.0, 1.0),
    "place_y": (0.0, 1.0),
    **{f"focus_x{i}": (0.0, 1.0) for i in range(finding.FOCI)},
    **{f"focus_y{i}": (0.0, 1.0) for i in range(finding.FOCI)},
    "rare_side": (0.0, 1.0),
    "rare_size": (0.0, 1.0),
    **{f"rare_x{i}": (0.0, 1.0) for i in range(variant.NODULES)},
    **{f"rare_y{i}": (0.0, 1.0) for i in range(variant.NODULES)},
    "severity": (0.0, 1.0),
    "side": (0.0, 1.0),
}
BUILD = {
    "tissue": 0.8, "thorax_width": 0.6, "breast_density": 0.5, "heart_width": 0.3, "dome_r": -0.4, "dome_l": -0.4,
    "neck_width": 0.5, "lung_air": -0.3,
}  # fmt: skip
# Acquisition, drawn anew for every image: angle in radians, shifts in half image widths, scale and exposure relative.
ACQUISITION: dict[str, tuple[float, float]] = {
    "angle": (0.0, 0.025),
    "shift_u": (0.0, 0.018),
    "shift_v": (0.0, 0.022),
    "scale": (1.0, 0.018),
    "breath": (0.0, 0.018),
    "exposure": (1.0, 0.07),
    "gamma": (1.0, 0.08),
    "noise": (0.018, 0.006),
    "progress": (0.0, 0.3),
}
# Share of subjects with each rare variant, whatever their label.
VARIANTS = {"dextrocardia": 0.004, "scoliosis": 0.02, "pacemaker": 0.015, "nodules": 0.02, "missing_rib": 0.008}
ADAPT: dict[str, Callable[[View], dict[str, np.ndarray]]] = {
    "Atelectasis": finding.adapt_atelectasis,
    "Cardiomegaly": finding.adapt_cardiomegaly,
    "Edema": finding.adapt_edema,
    "Pleural Effusion": finding.adapt_effusion,
    "Pneumothorax": finding.adapt_pneumothorax,
}
VEIL: dict[str, Callable[[View], np.ndarray]] = {
    "Atelectasis": finding.veil_atelectasis,
    "Consolidation": finding.veil_consolidation,
    "Edema": finding.veil_edema,
    "Pneumonia": finding.veil_pneumonia,
}


def draw_chest(scene: Scene) -> np.ndarray:
    """The radiograph, float32 [b, p], 0..1 where nothing is over-exposed."""
    q = scene.visit
    view = View(_adapt(scene), scene.severity, scene.u, scene.v, scene.edge)
    shown = 1.0 - np.exp(-q["exposure"] * _density(scene, view))
    shown = np.clip(shown, 0.0, 1.0) ** q["gamma"]
    return shown + q["noise"] * (0.4 + shown) * scene.grain[0]


def _adapt(scene: Scene) -> dict[str, np.ndarray]:
    """Anatomy [b, 1] each, with breath, variants and the findings of this image worked in.

    Adds `rib_jitter` [b, 2·RIBS], `mirror` (-1 where the heart is on the right), `mediastinum_shift`, and `fluid_r` and
    `fluid_l`, the height of pleural fluid above the dome, negative where there is none.
    """
    a = dict(scene.anatomy)
    a["rib_jitter"] = np.concatenate([a[f"rib_jitter_{side}{i}"] for side in "rl" for i in range(RIBS)], axis=1)
    # lungs fill the cage, wide or narrow
    for name in ("lung_width_r", "lung_width_l"):
        a[name] = a[name] + 0.48 * (a["thorax_width"] - 0.80)
    a["mirror"] = np.ones_like(a["side"])
    a["mediastinum_shift"] = np.zeros_like(a["side"])
    a["fluid_r"] = a["fluid_l"] = np.full_like(a["side"], -1.0)
    a["dome_r"], a["dome_l"] = a["dome_r"] + scene.visit["breath"], a["dome_l"] + scene.visit["breath"]
    changes: list[tuple[np.ndarray, Callable[[View], dict[str, np.ndarray]]]]
    changes = [(np.flatnonzero(scene.variants["dextrocardia"]), variant.adapt_dextrocardia)]
    changes += [(np.flatnonzero(scene.variants["missing_rib"]), variant.adapt_missing_rib)]
    changes += [(scene.rows(name), adapt) for name, adapt in ADAPT.items()]
    for rows, adapt in changes:
        if len(rows):
            for name, value in adapt(View(a, scene.severity, scene.u, scene.v, scene.edge).take(rows)).items():
                a[name] = a[name].copy()
                a[name][rows] = value
    return a


def _density(scene: Scene, view: View) -> np.ndarray:
    """Optical density float32 [b, p]."""
    a, u, v = view.a, view.u, view.v
    inner, axis, cage = u * a["mirror"], u, v
    if len(rows := np.flatnonzero(scene.variants["scoliosis"])):
        bend, sink = variant.bend_scoliosis(view.take(rows))
        axis, cage = u.copy(), v.copy()
        axis[rows] -= bend
        cage[rows] += sink
        inner[rows] -= 0.35 * bend
    aerated, added = _air(scene, view, inner)
    tissue = a["tissue"] * (1.22 + 0.28 * v - 0.12 * u * u) + organ.breasts(view) * (0.4 + 0.6 * aerated[0])
    bones = organ.ribs(view, cage) + organ.clavicles(view) + organ.scapulae(view) + organ.spine(view, axis)
    middle = organ.heart(view, inner) * (0.35 + 0.65 * aerated[0]) + organ.mediastinum(view, inner)
    density = tissue + middle + bones + added - aerated[1] - organ.stomach(view, inner) * (1.0 - aerated[0])
    if len(rows := np.flatnonzero(scene.variants["pacemaker"])):
        density[rows] += variant.draw_pacemaker(view.take(rows))
    return organ.body(view) * 0.5 * (density + np.sqrt(density * density + 0.16))


def _air(scene: Scene, view: View, inner: np.ndarray) -> tuple[tuple[np.ndarray, np.ndarray], np.ndarray]:
    """((where the lungs are, the density their air takes away), density that findings add), float32 [b, p] each."""
    a = view.a
    lungs, hilum = organ.lungs(view), organ.hila(view, inner)
    markings = (
        a["vessel_gain"] * organ.texture(view) * (0.5 + hilum) + a["tree_gain"] * organ.vessels(view) + 0.45 * hilum
    )
    added = np.zeros_like(lungs)
    if len(rows := scene.rows("Pneumothorax")):
        taken = view.take(rows)
        gap, line, compressed = finding.collapse(taken)
        markings[rows] = markings[rows] * (1.0 - gap) - 0.22 * gap + (0.08 + 0.16 * taken.severity) * compressed
        added[rows] += 0.32 * line * lungs[rows]
    air = lungs * (a["lung_air"] - markings)
    for name, veil in VEIL.items():
        if len(rows := scene.rows(name)):
            air[rows] *= 1.0 - veil(view.take(rows))
    if len(rows := np.flatnonzero(scene.variants["nodules"])):
        added[rows] += variant.draw_nodules(view.take(rows)) * lungs[rows]
    return (lungs, air), added


CHEST = Modality(
    name="cxr",
    title="chest radiographs",
    classes=CLASSES,
    population=POPULATION,
    build=BUILD,
    acquisition=ACQUISITION,
    variants=VARIANTS,
    draw=draw_chest,
)
