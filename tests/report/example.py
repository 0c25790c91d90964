"""A study with figures of every stage, with markers wherever a person could show through; what a page holds."""

from __future__ import annotations

import base64
import copy
import io
import json
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from unpersonal.report.summary import Outcome, Summary

MARKER = "SUBJECTMARKER"


CLASSES = ("normal", "virus <b>")


SIDE = 32


DEMO = json.loads((Path(__file__).parents[1] / "data" / "demo_summary.json").read_text(encoding="utf-8"))


def with_figures(summary: Summary, stage: str, **values: Any) -> Summary:
    """A summary with other values in one stage."""
    figures = replace(summary.figures, **{stage: replace(getattr(summary.figures, stage), **values)})
    return replace(summary, figures=figures)


def example() -> Summary:
    """Figures of every stage, with markers wherever a person could show through."""
    values = copy.deepcopy(DEMO)
    values["seed"] = 424242
    values["seconds"] = {"cohort": 1.5, "synthesis": 60.25}
    values["encode"]["reconstruction"] |= {
        "psnr_db": {"value": 31.2345, "lower": 30.1111, "upper": 32.2222},
        "ssim": {"value": 0.9123, "lower": 0.9012, "upper": 0.9234},
        "fid": 1.2346,
        "fid_real": None,
    }
    values["cohort"]["images_by_label"] = {"normal": 20, "virus <b>": 20}
    values["synthesis"]["released"] = 12
    values["gate"] |= {
        "miss_rate_upper": 0.009,
        "false_flag_rate": 0.31,
        "false_flag_rate_of": {"normal": 0.3, "virus <b>": 0.0625},
        "statement": f"read from data/{MARKER}_001/img001_{MARKER}.png",
    }
    values["gate"]["protected"]["miss_rate_upper"] = 0.009
    values["audit"] |= {"advantage": 0.001, "advantage_upper": 0.03, "weight": 2.2e-5}
    values["audit"]["notes"] = [f"{MARKER}_007 looks strange"]
    values["audit"]["tests"] = [{"name": "isolation", "statistic": 0.001, "p": 0.4321, "p_adjusted": 0.8765}]
    values["audit"]["placebo"]["isolation_p"] = 0.7777
    values["audit"]["planted"]["kinds"] = [{"kind": "noise", "copies": 12, "power": 0.9111}]
    row = {"nominal": 0.01, "observed": 0.0098, "lower": 0.0, "upper": 0.02, "resolvable": True}
    values["audit"]["weights"]["calibration"] = [row]
    numbers = {"auroc_real": 0.9, "auroc_synthetic": 0.89}
    row = {**numbers, "gap": 0.01, "images": 30, "subjects": 20, "uncertain": False}
    values["utility"] = {key: value for key, value in values["utility"].items() if not key.startswith("ceiling")}
    values["utility"] |= {**numbers, "gap": 0.01, "gap_upper": 0.02, "auroc_real_interval": [0.87, 0.93]}
    values["utility"]["classes"] = {"virus <b>": row}
    values["metrics"] |= {"irs": 0.8123, "fid": 3.0, "notes": {"fid": f"about {MARKER}_003 only"}}
    values["release"] = {"released": True, "reasons": [], "images": 12, "files": 16, "bytes": 900}
    values["release"]["shortfalls"] = ["gate.false_flag_rate = 0.31 is much"]
    summary = Summary.from_json(values, where="example")
    return with_figures(summary, "audit", confidence=None)


SUMMARY = example()


EMPTY = Summary(seed=0, outcome=Outcome(released=False, reasons=()))


def real_images() -> np.ndarray:
    """uint8 [40,1,32,32]: a lattice that no other picture here has, numbered by its first pixels."""
    images = np.zeros((40, 1, SIDE, SIDE), dtype=np.uint8)
    images[:, :, ::2, 1::2] = 251
    images[:, 0, 0, 0] = np.arange(40)
    return images


class Elements(HTMLParser):
    """Every tag with its attributes, and the text outside of tags."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data


def is_real(tile: np.ndarray) -> bool:
    return bool((real_images()[:, 0] == tile).mean(axis=(1, 2)).max() > 0.9)


def tiles(html: str) -> list[np.ndarray]:
    """Every [32,32] tile of every picture in the page, as 8-bit grey."""
    found = []
    for tag, attributes in Elements(html).tags:
        if tag == "img":
            head, data = str(attributes["src"]).split(",", 1)
            assert head == "data:image/png;base64"
            with Image.open(io.BytesIO(base64.b64decode(data))) as picture:
                assert not picture.info
                pixels = np.asarray(picture.convert("L"))
            for top in range(2, pixels.shape[0] - SIDE, SIDE + 2):
                found += [
                    pixels[top : top + SIDE, left : left + SIDE] for left in range(2, pixels.shape[1] - SIDE, SIDE + 2)
                ]
    return found
