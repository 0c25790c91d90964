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

from unpersonal.audit.chain import AttemptFigures
from unpersonal.audit.copied_figures import Copied, MatcherFinding, RepeatFigures
from unpersonal.audit.figures import ControlFigures, KindRow
from unpersonal.audit.profiles import INFERENCE, ISOLATED, MEMBERSHIP, TOP, TRUE_POSITIVES
from unpersonal.audit.resolution import Reading
from unpersonal.audit.rows import (
    InferenceRow,
    IsolationRow,
    MembershipRow,
    PrimaryRow,
    RocFigures,
    RocPoint,
    Sham,
    TopRow,
)
from unpersonal.audit.stratum_rows import StratumFigure, StratumRow
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


def audited() -> Summary:
    """A study whose audit has all figures of today, and passed for recipients who sign."""
    membership = tuple(
        MembershipRow(f"membership_by_{name}{end}", auroc, auroc - 0.03, auroc + 0.02, 0.012, 0.0, 0.02, 0.4)
        for name, value in (("distance", 0.51), ("likelihood", 0.53))
        for end, auroc in (("", value), ("_reversed", 1 - value))
    )
    tops = tuple(TopRow(count, 0.0, 0.0, 0.06, 0.0) for count in (1, 50))
    isolation = tuple(
        IsolationRow(name, 6.25e-6, 400, 0.0, 0.0024, 0.0, -0.004, tops) for name in ("isolation", "isolation_learned")
    )
    outcomes = (
        (MEMBERSHIP, "membership_by_likelihood", 0.53, 0.55, 0.6),
        (TRUE_POSITIVES, "membership_by_likelihood", 0.012, 0.02, 0.06),
        (ISOLATED, "isolation", 0.0, 0.0024, 0.1),
        (TOP, "isolation (top 50)", 0.0, 0.06, 0.2),
        (INFERENCE, "inference_label_near", -0.01, 0.0101, 0.15),
    )
    points = tuple(RocPoint(level, level + 0.02, level, level + 0.04) for level in (0.05, 0.2, 0.5, 0.8))
    kinds = (KindRow("exact", 60, 1.0, 0.951), KindRow("rotation 20°", 60, 0.55, 0.43))
    event = {"event": "begun", "identity": "a", "previous": "0", "hash": "b"}
    audit: dict[str, Any] = {
        "verdict": "pass",
        "reasons": (),
        "profile": "agreement",
        "policy_upper": 0.1,
        "advantage_upper": 0.0024,
        "confidence": 0.955,
        "weight": 6.25e-6,
        "primary": tuple(PrimaryRow(n, a, v, v - 0.03, u, m, "within", None) for n, a, v, u, m in outcomes),
        "membership": membership,
        "roc": RocFigures("membership_by_likelihood", points),
        "isolation": isolation,
        "inference": (InferenceRow("inference_label_near", 0.8, 0.81, -0.01, -0.04, 0.0101),),
        "kinds": kinds,
        "blind": ("rotation 20°",),
        "sham": Sham(200, 15, 0.52, 0.5, False),
        "strata": (
            StratumRow(
                "people farthest from everybody",
                96,
                85,
                (StratumFigure(MEMBERSHIP, "membership_by_distance", 0.61, None, 0.47, 0.68, 0.7, "within"),),
                32,
            ),
            StratumRow("people with the label virus <b>", "<5", "<5", (), 122),
        ),
        "copied": Copied(
            found=False,
            images="<5",
            people="<5",
            identical="<5",
            released=12,
            level=0.05,
            matchers=(MatcherFinding(matcher="poses", images="<5", known=377, closeness=1.7, margin=1.3),),
            carried=True,
            control_images="<5",
            repeats=RepeatFigures(images=0, clusters=0, largest=1, likeness=0.96, strangers=200),
            dropped="<5",
        ),
        "attempts": AttemptFigures.from_json(
            {"attempts": 1, "identity": "a", "alpha": 0.045, "seal": "none", "ledger": [event]}, where="example"
        ),
        "control": ControlFigures(at_random="known", joined="<5", excluded=0, untold=False, held_out_p=0.7),
        "reading": Reading(size=32, colour=False),
        "notes": ("the attack membership-by-model is not applicable: the attacker does not have the trained model",),
        "claim": "no tested attacker did better; predicate weight <= 6.25e-06",
    }
    return with_figures(SUMMARY, "audit", **audit)


AUDITED = audited()


REFUSED = replace(
    with_figures(AUDITED, "audit", verdict="inconclusive", reasons=("AUROC of membership: too few people",)),
    outcome=Outcome(
        released=False,
        reasons=("audit.verdict is 'inconclusive'; it must be 'pass'", "utility.gap_upper = 2e-05 is above the limit"),
    ),
)


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
