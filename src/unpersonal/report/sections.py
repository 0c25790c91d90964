"""The sections of report.html, one function each; what a stage did not write is simply not there."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path

import numpy as np

from ..audit.chapter import Chapter
from ..audit.chapters import chapters
from ..codec.figures import EncodeFigures
from ..core.errors import InputError
from ..core.files import read_json
from ..core.seeds import numpy_rng
from ..core.tensors import open_array
from ..matching.kinds import in_words
from ..release.blind import at_least, audit_blind, in_order, unseen
from ..release.card import (
    Memory,
    audit_blind_statement,
    blind_statement,
    bound,
    gate_statement,
    memorisation,
    start_statement,
)
from ..release.evidence import COMPLEMENT, aggregates_only
from ..release.figures import StudyFigures
from ..release.lock import pixel_hash
from ..release.policy import is_number, origin_unknown
from ..utility.figures import UtilityFigures
from .charts import Series, data_uri, histogram_chart, history_series, line_chart, roc_chart, sample_sheet
from .page import Element, Section, all_tables, key_table, record_table, shown, words
from .public import Public, inner

SHEET = 64
"""Images on the sheet of samples."""


MEMORY: dict[Memory, str] = {
    "found": (
        "The model learnt training images by heart: its weights can give out images of people, and nothing that they "
        "draw may be released."
    ),
    "none found": (
        "No sign was found that the model learnt training images by heart. This is a first sieve; the audit decides."
    ),
    "not known": "Nobody watched closely enough whether the model learnt training images by heart.",
}
"""What is said of the model's memory, by the card's word for it."""


def read_optional(path: Path) -> object:
    """Parsed JSON, or None where the file is missing or broken: the report is written whatever happened before."""
    try:
        return read_json(path)
    except (InputError, OSError):
        return None


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
    from ..synthesis.selected import load_released

    lead = "Images drawn by the model that passed the gate, chosen at random. None of them is a photograph of a person."
    blank = Section("samples", "Synthetic images", lead, missing="No image was selected.")
    try:
        images = load_released(study).images
    except (InputError, OSError):
        return blank
    real = real_hashes(study)
    allowed = [row for row in range(len(images)) if pixel_hash(images[row]) not in real]
    if not allowed:
        return blank
    rows = numpy_rng("report", "samples").permutation(allowed)[:SHEET]
    text = f"{len(rows)} of {len(images)} selected synthetic images"
    elements = [Element("picture", text, content=data_uri(sample_sheet(images[rows])))]
    if len(allowed) < len(images):
        count = len(images) - len(allowed)
        elements.append(
            Element("text", f"{count} selected images equal a real image pixel by pixel and are not shown.")
        )
    return Section("samples", blank.title, lead, tuple(elements))


def cohort(figures: StudyFigures, public: Public) -> Section:
    """Counts of the cohort."""
    lead = "The images and people the study started from, and how people were divided. Nobody is in two parts."
    return Section("cohort", "Cohort", lead, tuple(all_tables(public.table(figures.cohort))))


def _training_charts(study: Path, folder: str, name: str) -> list[Element]:
    """Loss and errors of the networks that a folder of models/ holds."""
    elements: list[Element] = []
    history = read_optional(study / "models" / folder / "history.json")
    if series := history_series(history):
        chart = line_chart(f"training-{folder}", series, xlabel="step", ylabel="loss")
        elements.append(Element("chart", f"Training loss of the {name}", content=chart))
    errors = {
        f"{network}, {people}": line
        for key, people in (("train_error", "training subjects"), ("held_out_error", "other subjects"))
        for network, line in history_series(history, key=key).items()
    }
    if errors:
        chart = line_chart(f"errors-{folder}", errors, xlabel="step", ylabel="error")
        text = "Error on training subjects and on others. Where the lines part, the model begins to learn by heart."
        elements.append(Element("chart", text, content=chart))
    return elements


def training(study: Path, figures: StudyFigures, public: Public) -> Section:
    """Loss of every network over its steps."""
    elements = _training_charts(study, "diffusion", "denoiser and guide") + _training_charts(study, "judges", "judges")
    if figures.diffusion:
        elements.append(Element("text", MEMORY[memorisation(figures.diffusion)]))
    if start := start_statement(figures):
        elements.append(Element("text", start))
    table = public.table(figures.diffusion)
    elements += key_table(table, "Diffusion model")
    elements += key_table(inner(table, "start"), "The weights that it started from")
    lead = "How the networks learned. A curve that falls and then levels off is what one hopes for."
    return Section("training", "Training", lead, tuple(elements))


def _curves(value: object, name: str = "") -> dict[str, Series]:
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
    elements: list[Element] = []
    texts = {
        "reidentifier": "Re-identifier: copies of a person against other people",
        "classifier": "Classifier: each label against the rest",
    }
    for judge, value in (recorded if isinstance(recorded, Mapping) else {}).items():
        curves = _curves(aggregates_only(value), words(str(judge)))
        if curves:
            text = texts.get(str(judge), words(str(judge)))
            elements.append(Element("chart", text, content=roc_chart(f"roc-{judge}", curves)))
    lead = "How well the two judges tell people apart and labels apart. 1 is perfect, 0.5 is guessing."
    return Section("judges", "Judges", lead, tuple(elements))


def _as_far_as_known(figures: StudyFigures) -> str:
    """What is to be added where held-out people may be among those of the weights that the model started from."""
    return ", as far as is known (it started from weights of unknown people)" if origin_unknown(figures) else ""


GATE_TABLES = ("kinds", "blind", "untried", "protected", "held_out", "matchers", "false_flag_rate_of")
"""Figures of the gate that have tables of their own."""


def gate(figures: StudyFigures, public: Public) -> Section:
    """What the gate finds of every kind of copy, its matchers, its false flags, and what else was measured about it."""
    found, table = figures.gate, public.table(figures.gate)
    lead = (
        "The gate discards every candidate in which one of its matchers finds somebody of this study, whether the model"
        " was trained on them or not. It may miss a copy (a risk for a person), which was measured on copies of the "
        "people it protects, or flag an image of nobody (a loss of images), which was measured on real people who were "
        "in no gallery."
    )
    if found is None:
        return Section("gate", "Gate", lead)
    said = public.texts((gate_statement(found), blind_statement(unseen(found))))
    elements = [Element("text", text) for text in said if text]
    elements += kinds_of_copies(inner(table, "kinds"), unseen(found).blind, KINDS_OF_GATE)
    people = {"protected (train)": inner(table, "protected"), "held out": inner(table, "held_out")}
    elements += record_table(people, "People of whom a promised copy was missed", name="people")
    elements += record_table(inner(table, "matchers"), "Matchers: each flags from its threshold on", name="matcher")
    rates = [{"label": label, "false_flag_rate": rate} for label, rate in inner(table, "false_flag_rate_of").items()]
    elements += record_table(rates, "False flags by label, all matchers together")
    elements += all_tables({key: value for key, value in table.items() if key not in GATE_TABLES}, "Details")
    return Section("gate", "Gate", lead, tuple(elements))


KINDS_OF_GATE = (
    "Kinds of copies that were tried",
    ("recall", "recall_lower"),
    {"subjects": "people", "promised": ""},
    "blind",
)
KINDS_OF_AUDIT = (
    "Kinds of copies that the audit was tried on",
    ("seen", "seen_lower"),
    {"copies": "copies"},
    "overlooked",
)
"""A caption, the keys of the share found and of its bound, those of further columns with their titles, and the word for
what may not be found."""


def kinds_of_copies(
    kinds: Mapping[str, object], blind: Collection[str], form: tuple[str, tuple[str, str], Mapping[str, str], str]
) -> list[Element]:
    """A table of kinds of copies by name, in the order of the list of kinds; the shares found are rounded down."""
    caption, shares, more, lost = form
    rows = []
    for name in in_order(kinds):
        kind = inner(kinds, name)
        found = [at_least(value) if is_number(value := kind.get(key)) else shown(value) for key in shares]
        told = [shown(kind.get(key)) for key in more]
        rows.append((name, in_words(name), *found, *told, "yes" if name in blind else "no"))
    head = ("kind", "what it is", "found", "95 % lower bound", *(title or key for key, title in more.items()), lost)
    return [Element("table", caption, head, tuple(rows))] if rows else []


def _planted_kinds(table: Mapping[str, object]) -> dict[str, object]:
    """The rows of the audit's table of kinds, by the name of the kind."""
    rows = table.get("kinds")
    return {str(row["kind"]): row for row in rows if isinstance(row, Mapping)} if isinstance(rows, list) else {}


def synthesis(figures: StudyFigures, public: Public) -> Section:
    """Counts of planned images and candidates, match rate before the gate."""
    lead = (
        "How many images were planned and drawn, how many matched a real person before the gate, and how many passed, "
        "in all and by label set."
    )
    return Section("synthesis", "Synthesis", lead, tuple(all_tables(public.table(figures.synthesis))))


RESULT = ("verdict", "profile", "released", "train_subjects", "control_subjects", "weight", "confidence")
"""Figures of the audit that come first."""
ELSEWHERE = (*RESULT, "advantage_upper", "policy_upper", "claim", "reasons", "notes")
"""Figures of the audit that are not among its details."""
KINDS = ("kinds", "blind")


def _distances(study: Path) -> list[Element]:
    """How near the released images come to train and to control subjects."""
    groups = {
        f"{name} subjects": values
        for name, side in (("training", "train"), ("control", "control"))
        if (values := _array(study / "audit" / f"{side}_distances.npy")) is not None
    }
    if not groups:
        return []
    chart = histogram_chart("nearest", groups, xlabel="distance to the nearest released image")
    text = "Distance of every person to the nearest synthetic image. The two groups should look alike."
    return [Element("chart", text, content=chart)]


def audit(study: Path, figures: StudyFigures, public: Public) -> Section:
    """Verdict, histograms of nearest distances, and a chapter for every figure of the audit."""
    found, table = figures.audit, public.table(figures.audit)
    elements = [Element("text", text) for text in public.texts([found.claim] if found and found.claim else []) if text]
    elements += key_table({key: table[key] for key in RESULT if key in table}, "Result")
    said = (*found.reasons, *found.notes) if found else ()
    elements += [Element("text", text) for text in public.texts(said) if text]
    elements += _distances(study)
    parts = [part for part in chapters(found) if part.keys != KINDS] if found else []
    elements += [element for part in parts for element in chapter_elements(part, public)]
    if found and (said_blind := audit_blind_statement(found)):
        elements += [Element("text", text) for text in public.texts([said_blind]) if text]
        elements += kinds_of_copies(_planted_kinds(table), audit_blind(found), KINDS_OF_AUDIT)
    told = {*ELSEWHERE, *KINDS, *(key for part in parts for key in part.keys)}
    elements += all_tables({key: value for key, value in table.items() if key not in told}, "Details")
    lead = (
        "An attacker who holds the release tries to single out people. Training subjects must not be found more often "
        f"than control subjects, people whose images the model never saw{_as_far_as_known(figures)}."
    )
    return Section("audit", "Audit", lead, tuple(elements))


def chapter_elements(part: Chapter, public: Public) -> list[Element]:
    """Heading, sentences and table of a chapter; what may name a person is left out."""
    elements = [Element("heading", part.title)]
    elements += [Element("text", text) for text in public.texts(part.texts) if text]
    rows = tuple(tuple(COMPLEMENT if cell is None else cell for cell in public.texts(row)) for row in part.rows)
    return [*elements, Element("table", "", part.head, rows)] if rows else elements


def codec_cost(figures: UtilityFigures) -> str:
    """How much of the AUROC lost is the codec's; empty where that was not asked for."""
    upper, interval, note = figures.ceiling_gap_upper, figures.ceiling_gap_interval, figures.ceiling_note
    lost, alone, reached = figures.gap, figures.ceiling_gap, figures.ceiling_auroc
    if upper is None:
        return ""
    if note or lost is None or alone is None or reached is None or interval is None:
        return f"What the codec alone costs is not known{f': {note}' if note else ''}."
    low, high = interval
    joined = ", of which" if 0 <= alone <= lost else ";"
    chance = " That is no more than chance can do." if low <= 0 else ""
    return (
        f"The loss is {shown(lost)}{joined} the codec alone costs {shown(alone)} (two-sided 95 % interval over the "
        f"choice of people {shown(low)} to {bound(high)}; one-sided 95 % upper bound {bound(upper)}).{chance} A "
        f"classifier trained on the real images after one way through the codec reached {shown(reached)}: no release "
        "that is drawn through this codec can be expected to do better."
    )


def utility(figures: StudyFigures, public: Public) -> Section:
    """AUROC of all arms, gap with bound, what the codec alone costs, table per class."""
    lead = (
        "A classifier was trained on the synthetic images and one on the real ones; both were tested on real people "
        f"who took part in neither{_as_far_as_known(figures)}. The difference is what a recipient loses."
    )
    found, table = figures.utility, public.table(figures.utility)
    hidden = ("classes", "ceiling_note", "metrics")
    elements = [Element("text", text)] if found and (text := codec_cost(found)) else []
    elements += key_table({key: value for key, value in table.items() if key not in hidden})
    elements += record_table(table.get("classes"), "Per label", name="label")
    return Section("utility", "Utility", lead, tuple(elements))


def codec(figures: StudyFigures) -> Section:
    """What the codec alone changes in real images: PSNR, SSIM and FID."""
    lead = (
        "The model learns from compressed images, and what it draws is restored from the same form. What that alone "
        "changes was measured on real images, against themselves."
    )
    encode = figures.encode
    return Section("codec", "Codec", lead, tuple(_codec_tables(encode)) if encode else ())


def _codec_tables(encode: EncodeFigures) -> list[Element]:
    found = encode.reconstruction
    rows: list[dict[str, object]] = []
    for figure, name in ((found.psnr_db, "PSNR in dB (more is closer)"), (found.ssim, "SSIM (1 is identical)")):
        if figure:
            rows.append({"figure": name, "value": figure.value, "95 % interval": [figure.lower, figure.upper]})
    rows.append({"figure": "FID of real images after the codec", "value": found.fid})
    rows.append({"figure": "FID of as many other real images, for comparison", "value": found.fid_real})
    facts = {"codec": encode.codec, "latent": encode.latent, "subjects": found.subjects, "images": found.images}
    return [*key_table(facts), *record_table(rows)]


def metrics(figures: StudyFigures, public: Public) -> Section:
    """Generative metrics."""
    lead = "How diverse and how lifelike the images are, in a space that was fitted on other people's images."
    found = figures.utility.metrics if figures.utility else None
    return Section("metrics", "Image metrics", lead, tuple(all_tables(public.table(found))))


def seconds(spent: Mapping[str, float]) -> Section:
    """Duration of every stage."""
    rows = tuple((words(name), f"{value:.1f}") for name, value in spent.items())
    elements = (Element("table", "", ("stage", "seconds"), rows),) if rows else ()
    return Section("seconds", "Time", "How long each stage took.", elements)
