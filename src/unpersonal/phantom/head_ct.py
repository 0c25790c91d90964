"""A procedural head CT: one axial slice at the level of the lateral ventricles, in Hounsfield units."""

from __future__ import annotations

import numpy as np

from .brain import (
    AGEING,
    FINDING,
    HEAD,
    POSE,
    VARIANT,
    Head,
    Values,
    arachnoid_cyst,
    cap,
    draw_head,
    mix,
    sign,
    to_units,
)
from .modality import Modality, Scene
from .shapes import ball, bump, step

CLASSES = ("No Finding", "Intracranial Hemorrhage", "Infarct", "Hydrocephalus")

POPULATION: dict[str, tuple[float, float]] = {
    **HEAD,
    "white": (28.0, 1.2),
    "grey": (38.5, 1.2),
    "bone": (1450.0, 120.0),
    "marrow": (760.0, 130.0),
    **FINDING,
    **VARIANT,
}
VARIANTS = {"cranioplasty": 0.015, "arachnoid cyst": 0.012, "hyperostosis": 0.02, "cavum septi": 0.02}
# Besides the pose: Hounsfield units.
ACQUISITION: dict[str, tuple[float, float]] = {
    **POSE,
    "offset": (0.0, 0.7),
    "cupping": (1.0, 0.5),
    "noise": (2.6, 0.5),
    "progress": (0.0, 0.25),
}


def draw_ct(scene: Scene) -> np.ndarray:
    """Hounsfield units float32 [b, p], quantum noise included."""
    q = scene.visit
    u, v, edge = to_units(scene)
    a = _apply(scene)
    height = a["level"] + q["height"]
    head = draw_head(a, u, v, height, edge)
    value = _wrap(a, head, _tissue(a, q, head, height, edge), edge)
    return (value + q["offset"] + q["noise"] * scene.grain[0]).astype(np.float32)


def _apply(scene: Scene) -> Values:
    """Anatomy with the finding and the variants of each image worked in, [b, 1] each."""
    a = dict(scene.anatomy)
    s = scene.severity
    bleed, stroke, wide = ((scene.labels == name)[:, None].astype(np.float32) for name in CLASSES[1:])
    has = {name: there[:, None].astype(np.float32) for name, there in scene.variants.items()}
    a["ventricles"] = np.maximum(a["ventricles"], 0.5) * (1.0 + wide * (0.75 + 1.1 * s))
    a["third_ventricle"] = np.maximum(a["third_ventricle"], 0.005) * (1.0 + wide * (0.6 + 1.8 * s))
    a["efface"] = wide * (0.35 + 0.5 * s)
    a["csf_rim"] = 0.006 + 0.006 * np.maximum(a["build"], -1.0)
    a["bleed"], a["stroke"], a["size"] = bleed, stroke, 0.25 + 0.75 * s
    a["loss"] = 0.62 + 0.38 * s
    a["side"] = sign(a["side"])
    a["shift"] = -a["side"] * (bleed * 0.075 * (0.2 + s) + stroke * 0.02 * s)
    a["septum"] = has["cavum septi"] * (0.048 + 0.008 * a["variant_size"])
    a["hyperostosis"] = has["hyperostosis"] * (0.060 + 0.012 * a["variant_size"])
    a["cyst"] = has["arachnoid cyst"] * (0.17 + 0.03 * a["variant_size"])
    a["plate"] = has["cranioplasty"]
    return a


def _tissue(a: Values, q: Values, head: Head, height: np.ndarray, edge: np.floating) -> np.ndarray:
    """Everything inside the inner table."""
    value = mix(a["white"] + 0.0 * head.x, a["grey"], np.maximum(head.grey, 0.9 * head.nuclei))
    wedge = _infarct(a, head)
    value = mix(value, 19.0, wedge * a["loss"])
    value = mix(value, 6.0, head.fluid * (1.0 - 0.8 * wedge))
    value = mix(value, 50.0, 0.85 * head.falx)
    chalk = np.maximum(a["calcification"], 0.0)
    value = mix(value, 60.0 + 110.0 * chalk, head.plexus * np.clip(a["calcification"], 0.15, 1.0))
    pineal = ball(head.x / 0.026, (head.y - 0.245) / 0.028) * step(0.4 - height, 0.1)
    value = mix(value, 120.0, pineal * np.minimum(chalk, 1.0))
    value = mix(value, 5.0, arachnoid_cyst(a, head, edge))
    value = _blood(a, head, value, height, edge)
    return value + 1.5 * q["cupping"] * bump(np.maximum(head.inner, 0.0) / 0.16)


def _infarct(a: Values, head: Head) -> np.ndarray:
    """Share 0..1 of a wedge that opens from beside the ventricle to the surface."""
    x, y = a["side"] * head.x - 0.13, head.y + 0.02 + 0.03 * a["place_v"]
    turn = np.abs(np.arctan2(y, x) - 0.10 - 0.42 * a["place_u"])
    half = 0.22 + 0.50 * a["size"]
    ragged = 0.05 * np.sin(31.0 * head.x + 3.0 * a["kind"]) + 0.05 * np.sin(27.0 * head.y + 3.0 * a["place_u"])
    far = step(np.sqrt(x * x + y * y) - 0.05, 0.02)
    return a["stroke"] * step(half - turn + ragged, 0.05) * far * step(x, 0.02)


def _blood(a: Values, head: Head, value: np.ndarray, height: np.ndarray, edge: np.floating) -> np.ndarray:
    """Fresh blood: a crescent (kind below -0.43), a lens (above 0.43), or a haematoma of the brain with oedema."""
    crescent, lens = a["kind"] < -0.43, a["kind"] > 0.43
    within = ~(crescent | lens)
    span = np.where(crescent, 1.05 + 0.25 * a["size"], 0.48 + 0.14 * a["size"])
    away = (np.mod(a["side"] * head.angle, np.float32(2 * np.pi)) - 1.55 - 0.30 * a["place_v"]) / span
    dome = np.maximum(1.0 - away * away, 0.0)
    thick = np.where(crescent, 0.030 + 0.095 * a["size"], 0.055 + 0.185 * a["size"])
    thick = thick * np.where(crescent, np.sqrt(dome), dome)
    outside = step(thick - head.inner, edge * 0.5) * np.clip(thick / (2.0 * edge), 0.0, 1.0)
    x, y = a["side"] * head.x - 0.25 - 0.05 * a["place_u"], head.y - 0.02 - 0.10 * a["place_v"]
    wave = 1.0 + 0.12 * np.sin(3.0 * np.arctan2(y, x) + 3.0 * a["place_u"])
    size = (0.050 + 0.105 * a["size"]) * cap(height)
    distance = np.sqrt(1.25 * x * x + y * y) / wave
    oedema = step(size * 1.45 - distance, 0.015)
    value = mix(value, 20.0, 0.75 * oedema * within * a["bleed"])
    blood = np.where(within, step(size - distance, edge * 0.5), outside)
    return mix(value, 68.0 + 3.0 * a["place_u"], blood * a["bleed"])


def _wrap(a: Values, head: Head, value: np.ndarray, edge: np.floating) -> np.ndarray:
    """Skull, scalp and air around the brain; a cranioplasty is a gap in the skull under a metal mesh."""
    half = 0.5 * edge
    share = head.bone / head.thickness
    spongy = step(0.5 * a["diploe"] - np.abs(share - 0.5), 0.05)
    bone = mix(a["bone"] + 0.0 * share, a["marrow"], spongy)
    seam = bump((np.abs(head.angle) - a["suture"]) / 0.022) + bump((np.abs(head.angle) - 2.45) / 0.022)
    bone = bone - 300.0 * seam
    turn = np.abs(sign(a["variant_side"]) * head.angle - 1.2 - 0.2 * a["variant_place"])
    gap = step(0.50 - turn, 0.02) * a["plate"]
    bone = mix(bone, 32.0, gap)
    mesh = bump((head.bone - 0.012) / (0.012 + edge)) * step(0.56 - turn, 0.02) * a["plate"]
    skin = bump((head.depth - 0.010) / 0.016)
    scalp = mix(-75.0 + 0.0 * value, 55.0, np.maximum(skin, step(head.depth - 0.8 * a["scalp"], 0.006)))
    value = mix(value, bone, step(-head.inner, half))
    value = mix(value, scalp, step(-head.bone, half))
    value = mix(value, 2900.0, mesh)
    return mix(value, -1000.0, step(-head.depth, half))


HEAD_CT = Modality(
    name="ct",
    title="head CT",
    classes=CLASSES,
    population=POPULATION,
    build=AGEING,
    acquisition=ACQUISITION,
    variants=VARIANTS,
    draw=draw_ct,
    window=(0.0, 80.0),
)
