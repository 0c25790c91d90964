"""The sections of report.html, one function each; what a stage did not write is simply not there."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ..core.errors import InputError
from ..core.files import read_json
from ..core.seeds import numpy_rng
from ..core.tensors import open_array
from ..release.card import bound, memorisation, start_statement
from ..release.evidence import aggregates_only
from ..release.lock import pixel_hash
from ..release.policy import is_number, source_unknown
from ..release.pretrained import trained_elsewhere
from .charts import (
    Series,
    data_uri,
    histogram_chart,
    history_series,
    line_chart,
    roc_chart,
    sample_sheet,
)
from .page import Block, Section, all_tables, key_table, record_table, shown, words

SHEET = 64
"""Images on the sheet of samples."""


MEMORY = {
    "found": (
        "The model learnt training images by heart: its weights can give out images of people, and nothing that they "
        "draw may be released."
    ),
    "none found": (
        "No sign was found that the model learnt training images by heart. This is a first sieve; the audit decides."
    ),
    "not known": "Nobody watched whether the model learnt training images by heart.",
}
"""What is said of the model's memory, by the card's word for it."""


def read_optional(path: Path) -> Any:
    """Parsed JSON, or None where the file is missing or broken: the report is written whatever happened before."""
    try:
        return read_json(path)
    except (InputError, OSError):
        return None


def part(summary: Mapping[str, Any], name: str) -> dict[str, Any]:
    """The figures of one room, empty where there are none."""
    value = summary.get(name)
    return dict(value) if isinstance(value, Mapping) else {}


def _array(path: Path) -> np.ndarray | None:
    try:
        values = np.array(open_array(path), dtype=np.float64).reshape(-1)
    except (InputError, OSError):
        return None
    values = values[np.isfinite(values)]
    return values if len(values) else None


def real_hashes(study: Path) -> frozenset[str]:
    """Pixel hashes of all real images of the store; empty where there is none."""
    from ..codec.store import load_images

    try:
        return frozenset(pixel_hash(image) for image in load_images(study))
    except (InputError, OSError):
        return frozenset()


def samples(study: Path) -> Section:
    """Sheet of selected images, drawn at random; one that equals a real image pixel by pixel is never shown."""
    from ..synthesis.selected import load_selected

    lead = "Images drawn by the model that passed the gate, chosen at random. None of them is a photograph of a person."
    blank = Section("samples", "Synthetic images", lead, missing="No image was selected.")
    try:
        images = load_selected(study).images
    except (InputError, OSError):
        return blank
    real = real_hashes(study)
    allowed = [row for row in range(len(images)) if pixel_hash(images[row]) not in real]
    if not allowed:
        return blank
    rows = numpy_rng("report", "samples").permutation(allowed)[:SHEET]
    text = f"{len(rows)} of {len(images)} selected synthetic images"
    blocks = [Block("picture", text, content=data_uri(sample_sheet(images[rows])))]
    if len(allowed) < len(images):
        count = len(images) - len(allowed)
        blocks.append(Block("text", f"{count} selected images equal a real image pixel by pixel and are not shown."))
    return Section("samples", blank.title, lead, tuple(blocks))


def cohort(summary: Mapping[str, Any]) -> Section:
    """Counts of the cohort."""
    lead = "The images and people the study started from, and how people were divided. Nobody is in two parts."
    return Section("cohort", "Cohort", lead, tuple(all_tables(part(summary, "cohort"))))


def training(study: Path, summary: Mapping[str, Any]) -> Section:
    """Loss of every network over its steps."""
    blocks: list[Block] = []
    charts = [("diffusion", "denoiser and guide"), ("judges", "judges")]
    for folder, name in charts:
        history = read_optional(study / "models" / folder / "history.json")
        if series := history_series(history):
            chart = line_chart(f"training-{folder}", series, xlabel="step", ylabel="loss")
            blocks.append(Block("chart", f"Training loss of the {name}", content=chart))
        errors = {
            f"{name}, {people}": line
            for key, people in (("train_error", "training subjects"), ("held_out_error", "other subjects"))
            for name, line in history_series(history, key=key).items()
        }
        if errors:
            chart = line_chart(f"errors-{folder}", errors, xlabel="step", ylabel="error")
            text = "Error on training subjects and on others. Where the lines part, the model begins to learn by heart."
            blocks.append(Block("chart", text, content=chart))
    if part(summary, "diffusion"):
        blocks.append(Block("text", MEMORY[memorisation(summary)]))
    if start := start_statement(summary):
        blocks.append(Block("text", start))
    blocks += key_table(part(summary, "diffusion"), "Diffusion model")
    blocks += key_table(part(part(summary, "diffusion"), "start"), "The weights that it started from")
    lead = "How the networks learned. A curve that falls and then levels off is what one hopes for."
    return Section("training", "Training", lead, tuple(blocks))


def _curves(value: Any, name: str = "") -> dict[str, Series]:
    found: dict[str, Series] = {}
    if isinstance(value, Mapping):
        if "fpr" in value and "tpr" in value:
            fpr, tpr = (np.asarray(value[key], dtype=np.float64) for key in ("fpr", "tpr"))
            if len(fpr) == len(tpr) > 1 and np.isfinite(fpr).all() and np.isfinite(tpr).all():
                found[name] = (fpr, tpr)
        else:
            for key, item in value.items():
                found.update(_curves(item, f"{name} {key}".strip()))
    return found


def judges(study: Path) -> Section:
    """ROC of the re-identifier and of the classifier."""
    recorded = read_optional(study / "models" / "judges" / "roc.json")
    blocks: list[Block] = []
    texts = {
        "reidentifier": "Re-identifier: copies of a person against other people",
        "classifier": "Classifier: each label against the rest",
    }
    for judge, value in (recorded if isinstance(recorded, Mapping) else {}).items():
        curves = _curves(aggregates_only(value), words(str(judge)))
        if curves:
            text = texts.get(str(judge), words(str(judge)))
            blocks.append(Block("chart", text, content=roc_chart(f"roc-{judge}", curves)))
    lead = "How well the two judges tell people apart and labels apart. 1 is perfect, 0.5 is guessing."
    return Section("judges", "Judges", lead, tuple(blocks))


def _of_study(summary: Mapping[str, Any]) -> str:
    """What is to be added to `somebody` where the model has also seen people whom nothing here compares with."""
    return " of this study" if trained_elsewhere(summary) else ""


def _as_far_as_known(summary: Mapping[str, Any]) -> str:
    """What is to be added where held-out people may be among those of the weights that the model started from."""
    return ", as far as is known (it started from weights of unknown people)" if source_unknown(summary) else ""


def gate(summary: Mapping[str, Any]) -> Section:
    """Threshold, miss rate with bound, false flags, and what else was measured about the gate."""
    lead = (
        f"The gate discards every candidate that looks like somebody{_of_study(summary)} the model was trained on. It "
        "may miss a copy (a risk for a person), or flag an image of nobody (a loss of images); both were measured on "
        "unseen people."
    )
    return Section("gate", "Gate", lead, tuple(all_tables(part(summary, "gate"))))


def synthesis(summary: Mapping[str, Any]) -> Section:
    """Counts of sources and candidates, match rate before the gate."""
    lead = "How many images were drawn, how many matched a real person before the gate, and how many passed."
    return Section("synthesis", "Synthesis", lead, tuple(all_tables(part(summary, "synthesis"))))


def audit(study: Path, summary: Mapping[str, Any]) -> Section:
    """Verdict, histograms of nearest distances, the family of tests, placebo, planted copies, weights."""
    recorded = aggregates_only(read_optional(study / "audit" / "audit.json") or {})
    figures = {**part(summary, "audit"), **(recorded if isinstance(recorded, Mapping) else {})}
    groups = {
        f"{name} subjects": values
        for name, side in (("training", "train"), ("control", "control"))
        if (values := _array(study / "audit" / f"{side}_distances.npy")) is not None
    }
    blocks = [Block("text", str(figures[key])) for key in ("claim",) if isinstance(figures.get(key), str)]
    first = ("verdict", "advantage", "advantage_upper", "policy_upper", "weight", "base_rate", "released")
    blocks += key_table({key: figures[key] for key in first if key in figures}, "Result")
    for key in ("reasons", "notes"):
        blocks += [Block("text", str(text)) for text in figures.get(key) or [] if isinstance(text, str)]
    if groups:
        chart = histogram_chart("nearest", groups, xlabel="distance to the nearest released image")
        text = "Distance of every person to the nearest synthetic image. The two groups should look alike."
        blocks.append(Block("chart", text, content=chart))
    blocks += record_table(figures.get("tests"), "All attacks (one family of tests)")
    rest = {key: value for key, value in figures.items() if key not in (*first, "claim", "reasons", "notes", "tests")}
    blocks += all_tables(rest, "Details")
    lead = (
        "An attacker who holds the release tries to single out people. Training subjects must not be found more often "
        f"than control subjects, people whose images the model never saw{_as_far_as_known(summary)}."
    )
    return Section("audit", "Audit", lead, tuple(blocks))


def codec_cost(figures: Mapping[str, Any]) -> str:
    """How much of the AUROC lost is the codec's, out of the figures of the utility stage; empty where not asked for."""
    if not any(key.startswith("ceiling_") for key in figures):
        return ""
    note, interval = figures.get("ceiling_note"), figures.get("ceiling_gap_interval")
    ends = list(interval) if isinstance(interval, list | tuple) and len(interval) == 2 else [None, None]
    names = ("gap", "ceiling_gap", "ceiling_gap_upper", "ceiling_auroc")
    values: list[Any] = [*(figures.get(name) for name in names), *ends]
    if note or not all(map(is_number, values)):
        return f"What the codec alone costs is not known{f': {note}' if note else ''}."
    lost, alone, upper, reached, low, high = values
    joined = ", of which" if 0 <= alone <= lost else ";"
    chance = " That is no more than chance can do." if low <= 0 else ""
    return (
        f"The loss is {shown(lost)}{joined} the codec alone costs {shown(alone)} (two-sided 95 % interval over the "
        f"choice of people {shown(low)} to {bound(high)}; one-sided 95 % upper bound {bound(upper)}).{chance} A "
        f"classifier trained on the real images after one way through the codec reached {shown(reached)}: no release "
        "that is drawn through this codec can be expected to do better."
    )


def utility(summary: Mapping[str, Any]) -> Section:
    """AUROC of all arms, gap with bound, what the codec alone costs, table per class."""
    lead = (
        "A classifier was trained on the synthetic images and one on the real ones; both were tested on real people "
        f"who took part in neither{_as_far_as_known(summary)}. The difference is what a recipient loses."
    )
    figures = part(summary, "utility")
    classes = figures.pop("classes", None)
    blocks = [Block("text", text)] if (text := codec_cost(figures)) else []
    figures.pop("ceiling_note", None)
    blocks += key_table(figures) + record_table(classes, "Per label", name="label")
    return Section("utility", "Utility", lead, tuple(blocks))


def codec(summary: Mapping[str, Any]) -> Section:
    """What the codec alone changes in real images: PSNR, SSIM and FID."""
    lead = (
        "The model learns from compressed images, and what it draws is restored from the same form. What that alone "
        "changes was measured on real images, against themselves."
    )
    encode = part(summary, "encode")
    found = part(encode, "reconstruction")
    rows = []
    for key, name in (("psnr_db", "PSNR in dB (more is closer)"), ("ssim", "SSIM (1 is identical)")):
        if figure := part(found, key):
            interval = [figure.get("lower"), figure.get("upper")]
            rows.append({"figure": name, "value": figure.get("value"), "95 % interval": interval})
    for key, name in (
        ("fid", "FID of real images after the codec"),
        ("fid_real", "FID of as many other real images, for comparison"),
    ):
        if key in found:
            rows.append({"figure": name, "value": found[key]})
    both = {**encode, **found}
    facts = {str(key): both[key] for key in ("codec", "latent", "subjects", "images") if key in both}
    return Section("codec", "Codec", lead, tuple(key_table(facts) + record_table(rows)))


def metrics(summary: Mapping[str, Any]) -> Section:
    """Generative metrics."""
    lead = "How diverse and how lifelike the images are, in a space that was fitted on other people's images."
    return Section("metrics", "Image metrics", lead, tuple(all_tables(part(summary, "metrics"))))


def seconds(summary: Mapping[str, Any]) -> Section:
    """Duration of every stage."""
    spent = part(summary, "seconds")
    rows = tuple((words(name), f"{float(value):.1f}") for name, value in spent.items() if shown(value) != "not known")
    blocks = (Block("table", "", ("stage", "seconds"), rows),) if rows else ()
    return Section("seconds", "Time", "How long each stage took.", blocks)
