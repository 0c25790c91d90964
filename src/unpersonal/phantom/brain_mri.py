"""A procedural T1-weighted brain MRI after contrast agent: one axial slice, in arbitrary units of signal."""

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

CLASSES = ("No Finding", "Tumor", "White Matter Lesions", "Atrophy")
LESIONS = 12

POPULATION: dict[str, tuple[float, float]] = {
    **HEAD,
    "white": (620.0, 16.0),
    "grey": (440.0, 14.0),
    "fat": (830.0, 50.0),
    "marrow": (400.0, 70.0),
    **FINDING,
    **{f"lesion_{axis}{i}": (0.0, 1.0) for i in range(LESIONS) for axis in ("side", "u", "v")},
    **VARIANT,
}
VARIANTS = {"cavum septi": 0.02, "arachnoid cyst": 0.012, "callosal lipoma": 0.01, "resection cavity": 0.012}
# Noise in units of signal; gain and bias relative.
ACQUISITION: dict[str, tuple[float, float]] = {
    **POSE,
    "gain": (1.0, 0.04),
    "bias_u": (0.0, 0.05),
    "bias_v": (0.0, 0.05),
    "bias_centre": (-0.05, 0.05),
    "bias_cross": (0.0, 0.05),
    "noise": (15.0, 3.0),
    "progress": (0.0, 0.25),
}


def draw_t1(scene: Scene) -> np.ndarray:
    """Signal float32 [b, p] under the receive field, with Rician noise (magnitude of a signal with two noise parts)."""
    q = scene.visit
    u, v, edge = to_units(scene)
    a = _apply(scene)
    height = a["level"] + q["height"]
    head = draw_head(a, u, v, height, edge)
    signal = _wrap(a, head, _tissue(a, head, height, edge), edge)
    field = q["bias_u"] * u + q["bias_v"] * v + q["bias_cross"] * u * v + q["bias_centre"] * (1.0 - u * u - v * v)
    real = signal * q["gain"] * np.exp(field) + q["noise"] * scene.grain[0]
    return np.sqrt(real * real + (q["noise"] * scene.grain[1]) ** 2).astype(np.float32)


def _apply(scene: Scene) -> Values:
    """Anatomy with the finding and the variants of each image worked in, [b, 1] each."""
    a = dict(scene.anatomy)
    s = scene.severity
    tumor, spots, shrunk = ((scene.labels == name)[:, None].astype(np.float32) for name in CLASSES[1:])
    has = {name: there[:, None].astype(np.float32) for name, there in scene.variants.items()}
    a["ventricles"] = np.maximum(a["ventricles"], 0.5) * (1.0 + shrunk * (0.40 + 0.60 * s))
    a["third_ventricle"] = np.maximum(a["third_ventricle"], 0.005) * (1.0 + shrunk * (0.3 + 0.9 * s))
    a["sulcus_width"] = a["sulcus_width"] + shrunk * (0.005 + 0.009 * s)
    a["sulcus_depth"] = a["sulcus_depth"] * (1.0 + 0.15 * shrunk)
    a["cortex"] = a["cortex"] * (1.0 - 0.15 * shrunk * s)
    a["csf_rim"] = 0.006 + 0.005 * np.maximum(a["build"], -1.0) + shrunk * (0.010 + 0.022 * s)
    a["efface"] = np.float32(0.0) * s
    a["tumor"], a["spots"], a["size"] = tumor, spots, s
    a["side"] = sign(a["side"])
    a["shift"] = -a["side"] * tumor * 0.05 * (0.2 + s)
    a["septum"] = has["cavum septi"] * (0.048 + 0.008 * a["variant_size"])
    a["hyperostosis"] = np.float32(0.0) * s
    a["cyst"] = has["arachnoid cyst"] * (0.17 + 0.03 * a["variant_size"])
    a["lipoma"], a["cavity"] = has["callosal lipoma"], has["resection cavity"]
    return a


def _tissue(a: Values, head: Head, height: np.ndarray, edge: np.floating) -> np.ndarray:
    """Everything inside the inner table."""
    value = mix(a["white"] + 0.0 * head.x, a["grey"], np.maximum(head.grey, 0.75 * head.nuclei))
    value = mix(value, 300.0, _lesions(a, head))
    value = mix(value, 150.0, head.fluid)
    value = mix(value, 340.0, 0.8 * head.falx)
    value = mix(value, 430.0, 0.8 * head.plexus)
    value = _tumor(a, head, value, height, edge)
    value = mix(value, 140.0, arachnoid_cyst(a, head, edge))
    x, y = head.x, head.y + 0.385
    value = mix(value, a["fat"], a["lipoma"] * step(0.032 - np.sqrt(x * x + 0.25 * y * y), edge * 0.5))
    x, y = sign(a["variant_side"]) * head.x - 0.28, head.y + 0.44 + 0.05 * a["variant_place"]
    away = np.sqrt(x * x + y * y) / (1.0 + 0.15 * np.sin(3.0 * np.arctan2(y, x) + a["variant_size"]))
    cavity = 0.13 + 0.02 * a["variant_size"]
    value = mix(value, 330.0, a["cavity"] * step(cavity + 0.025 - away, 0.012))
    return mix(value, 150.0, a["cavity"] * step(cavity - away, edge * 0.5))


def _lesions(a: Values, head: Head) -> np.ndarray:
    """Share of demyelinated white matter: fingers that stand on the ventricle's wall, and a rim along it."""
    beyond = np.abs(head.x) - head.outer_wall
    total = np.zeros_like(head.x)
    for i in range(LESIONS):
        here = step(0.35 + 0.75 * a["size"] - np.float32((i + 0.5) / LESIONS), 0.05) * (
            head.x * a[f"lesion_side{i}"] > 0
        )
        across = head.y - 0.02 - 0.19 * a[f"lesion_v{i}"]
        wide = 0.034 + 0.018 * a["size"]
        along = beyond - 0.075 - 0.045 * a[f"lesion_u{i}"]
        total = np.maximum(total, here * np.sqrt(ball(along / (1.9 * wide), across / (1.3 * wide))))
    caps = bump((head.y + 0.27) / 0.17) + bump((head.y - 0.31) / 0.17)
    rim = step((0.022 + 0.055 * a["size"]) * caps - np.abs(beyond), 0.008) * (caps > 0)
    return a["spots"] * np.maximum(total, 0.75 * rim) * (1.0 - head.grey) * (1.0 - head.nuclei)


def _tumor(a: Values, head: Head, value: np.ndarray, height: np.ndarray, edge: np.floating) -> np.ndarray:
    """A ring-enhancing glioma with oedema, or (kind below -0.5) an even meningioma on the inner table."""
    extra = a["kind"] < -0.5
    x = a["side"] * head.x - 0.28 - 0.05 * a["place_u"]
    y = head.y - 0.03 - 0.13 * a["place_v"]
    turn = np.arctan2(y, x)
    wave = 1.0 + 0.10 * np.sin(3.0 * turn + 2.0 * a["place_u"]) + 0.07 * np.sin(5.0 * turn + 2.0 * a["place_v"])
    away = np.sqrt(x * x + y * y) / wave
    size = (0.085 + 0.095 * a["size"]) * cap(height)
    fingers = 1.0 + 0.22 * np.sin(6.0 * turn + 3.0 * a["kind"])
    glioma = a["tumor"] * ~extra
    value = mix(value, 340.0, 0.85 * glioma * step(1.55 * size * fingers - away, 0.02))
    value = mix(value, 230.0, glioma * step(size - away, edge * 0.5))
    rim = bump((away - size + 0.012) / (0.022 + 0.012 * np.sin(2.0 * turn + a["kind"]) + 0.5 * edge))
    glioma = glioma * (size > 0.04)
    value = mix(value, 860.0, glioma * np.minimum(1.3 * rim, 1.0))
    reach = np.mod(a["side"] * head.angle, np.float32(2 * np.pi)) - 1.5 - 0.45 * a["place_v"]
    far = np.sqrt((reach * 0.62) ** 2 + np.maximum(head.inner, 0.0) ** 2)
    ball_size = (0.110 + 0.110 * a["size"]) * cap(height)
    value = mix(value, 350.0, 0.6 * a["tumor"] * extra * step(1.35 * ball_size - far, 0.02))
    return mix(value, 820.0, a["tumor"] * extra * step(ball_size - far, edge * 0.5))


def _wrap(a: Values, head: Head, value: np.ndarray, edge: np.floating) -> np.ndarray:
    """Dark tables with marrow between them, bright fat, muscle, skin, and air without signal."""
    half = 0.5 * edge
    share = head.bone / head.thickness
    spongy = step(0.5 * a["diploe"] - np.abs(share - 0.5), 0.06)
    bone = mix(45.0 + 0.0 * share, a["marrow"], spongy)
    flesh = step(head.depth - 0.85 * a["scalp"], 0.006) * np.clip(head.muscle / 0.012, 0.0, 1.0)
    scalp = mix(a["fat"] + 0.0 * value, 380.0, np.maximum(flesh, 0.8 * bump((head.depth - 0.006) / 0.014)))
    value = mix(value, bone, step(-head.inner, half))
    value = mix(value, scalp, step(-head.bone, half))
    return mix(value, 0.0, step(-head.depth, half))


BRAIN_MRI = Modality(
    name="mri",
    title="brain MRI",
    classes=CLASSES,
    population=POPULATION,
    build=AGEING,
    acquisition=ACQUISITION,
    variants=VARIANTS,
    draw=draw_t1,
    window=(0.0, 900.0),
    noise_fields=2,
)
