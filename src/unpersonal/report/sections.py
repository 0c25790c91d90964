"""What report.html says of images, gate, use and cohort, one section each; what a stage did not write is not there."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from ..codec.figures import EncodeFigures
from ..core.errors import InputError
from ..core.numbers import fewer, held_against, of_many
from ..core.seeds import numpy_rng
from ..core.words import plural
from ..metrics.figures import MetricFigures
from ..release.blind import unseen
from ..release.card import blind_statement, bound, gate_statement
from ..release.evidence import suppressed
from ..release.figures import StudyFigures
from ..release.lock import pixel_hash
from ..release.policy import is_number
from ..utility.figures import UtilityFigures
from .charts import data_uri, sample_sheet
from .kinds import gate_kinds
from .page import Element, Section, all_tables, key_table, record_table, shown, words
from .pictures import gate_recall
from .public import Public, inner
from .questions import as_far_as_known

SHEET = 64
"""Images on the sheet of samples."""


def real_hashes(study: Path) -> frozenset[str]:
    """Pixel hashes of all real images of the store; empty where there is none."""
    from ..codec.store import load_images

    try:
        return frozenset(pixel_hash(image) for image in load_images(study))
    except (InputError, OSError):
        return frozenset()


def samples(study: Path, *, released: bool = True) -> Section:
    """Sheet of images of the release, drawn at random; one that equals a real image pixel by pixel is never shown.

    Where nothing was `released` there is none: the page may leave the building, and these images may not.
    """
    from ..synthesis.selected import load_released

    lead = "Images of the release, chosen at random. A program drew them, and the gate let them through."
    blank = Section("samples", "What do the images look like?", lead, missing="No image was selected.")
    try:
        images = load_released(study).images
    except (InputError, OSError):
        return blank
    real = real_hashes(study)
    allowed = [row for row in range(len(images)) if pixel_hash(images[row]) not in real]
    if not released and allowed:
        return Section("samples", blank.title, "", missing="Nothing was released, so that no image is shown here.")
    if not allowed:
        return blank
    rows = numpy_rng("report", "samples").permutation(allowed)[:SHEET]
    text = f"{len(rows)} of {len(images):,} selected synthetic images"
    elements = [Element("picture", text, content=data_uri(sample_sheet(images[rows])), alt=f"A sheet of {text}.")]
    if len(allowed) < len(images):
        count = fewer(suppressed(len(images) - len(allowed)))
        said = f"{count[0].upper()}{count[1:]} selected images equal a real image pixel by pixel and are not shown."
        elements.append(Element("text", said))
    return Section("samples", blank.title, lead, tuple(elements))


def cohort(figures: StudyFigures, public: Public) -> Section:
    """Counts of the cohort."""
    lead = "The images and people the study started from, and how people were divided. Nobody is in two parts."
    found, elements = figures.cohort, []
    if found:
        used = found.subjects_by_split.get("train")
        others = "" if used is None else f" The model learnt from {fewer(suppressed(used))} of them."
        images = plural(found.images, "image")
        elements = [Element("text", f"{images} of {plural(found.subjects, 'person', 'people')} were read.{others}")]
    return Section("cohort", "Whose images were used?", lead, (*elements, *all_tables(public.table(found))))


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
    title = "What does the gate stop?"
    if found is None:
        return Section("gate", title, lead)
    share = of_many(min(max(found.false_flag_rate, 0.0), 1.0))
    alarms = f"It also throws out {share} images of people who are in no gallery: a loss, and no risk."
    said = public.texts((gate_statement(found), alarms, blind_statement(unseen(found))))
    elements = [Element("text", text) for text in said if text]
    elements += [*gate_recall(found), *gate_kinds(found, table)]
    people = {"protected (train)": inner(table, "protected"), "held out": inner(table, "held_out")}
    elements += record_table(people, "People of whom a promised copy was missed", name="people")
    elements += record_table(inner(table, "matchers"), "Matchers: each flags from its threshold on", name="matcher")
    rates = [{"label": label, "false_flag_rate": rate} for label, rate in inner(table, "false_flag_rate_of").items()]
    elements += record_table(rates, "False flags by label, all matchers together")
    elements += all_tables({key: value for key, value in table.items() if key not in GATE_TABLES}, "Details")
    return Section("gate", title, lead, tuple(elements))


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


def _lost(found: UtilityFigures) -> str:
    """What a recipient loses, in a sentence; why nobody knows, where nobody does."""
    real, made = found.auroc_real, found.auroc_synthetic
    if found.gap is None or real is None or made is None:
        return f"What a recipient loses was not measured{f': {found.note}' if found.note else ''}."
    most, _ = held_against(min(max(found.gap_upper, 0.0), 1.0), 1.0)
    return (
        "Shown a picture with a finding and one without, the program that learnt from synthetic images picks the right"
        f" one in {100 * made:.1f} of 100 cases, the one that learnt from real images in {100 * real:.1f}. The loss is"
        f" {most} cases at most (95 % sure)."
    )


def utility(figures: StudyFigures, public: Public) -> Section:
    """AUROC of all arms, gap with bound, what the codec alone costs, table per class."""
    lead = (
        "A classifier was trained on the synthetic images and one on the real ones; both were tested on real people "
        f"who took part in neither{as_far_as_known(figures)}. The difference is what a recipient loses."
    )
    found, table = figures.utility, public.table(figures.utility)
    hidden = ("classes", "ceiling_note", "metrics")
    elements = [Element("text", text) for text in (_lost(found), codec_cost(found)) if text] if found else []
    elements += key_table({key: value for key, value in table.items() if key not in hidden}, "Loss of a classifier")
    elements += record_table(table.get("classes"), "Loss by label", name="label")
    return Section("utility", "Of what use are the images?", lead, tuple(elements))


def codec(figures: StudyFigures) -> Section:
    """What the codec alone changes in real images: PSNR, SSIM and FID."""
    lead = (
        "The model learns from compressed images, and what it draws is restored from the same form. What that alone "
        "changes was measured on real images, against themselves."
    )
    encode = figures.encode
    return Section("codec", "What does compression cost?", lead, tuple(_codec_tables(encode)) if encode else ())


def _codec_tables(encode: EncodeFigures) -> list[Element]:
    found = encode.reconstruction
    rows: list[dict[str, object]] = []
    for figure, name in ((found.psnr_db, "PSNR in dB (more is closer)"), (found.ssim, "SSIM (1 is identical)")):
        if figure:
            rows.append({"figure": name, "value": figure.value, "95 % interval": [figure.lower, figure.upper]})
    rows.append({"figure": "FID of real images after the codec", "value": found.fid})
    rows.append({"figure": "FID of as many other real images, for comparison", "value": found.fid_real})
    facts = {"codec": encode.codec, "latent": encode.latent, "subjects": found.subjects, "images": found.images}
    return [*key_table(facts, "The compressed form"), *record_table(rows, "What compression changes")]


def metrics(figures: StudyFigures, public: Public) -> Section:
    """Generative metrics."""
    lead = "How diverse and how lifelike the images are, in a space that was fitted on other people's images."
    found = figures.utility.metrics if figures.utility else None
    elements = [Element("text", text)] if found and (text := _alike(found)) else []
    tables = all_tables(public.table(found), "Image metrics")
    return Section("metrics", "How varied and lifelike are they?", lead, (*elements, *tables))


def _alike(found: MetricFigures) -> str:
    """Variety and likeness in a sentence each, as far as they were measured."""
    said = []
    if is_number(found.irs):
        said.append(f"Variety (IRS) is {shown(found.irs)}, where 1 is that of real images.")
    if is_number(found.fid):
        real = f"; real images are {shown(found.fid_real)} from each other" if is_number(found.fid_real) else ""
        said.append(f"The distance from real images (FID) is {shown(found.fid)}{real}.")
    return " ".join(said)


def seconds(spent: Mapping[str, float]) -> Section:
    """Duration of every stage."""
    rows = tuple((words(name), f"{value:,.1f}") for name, value in spent.items())
    elements = (Element("table", "Seconds of each stage", ("stage", "seconds"), rows),) if rows else ()
    return Section("seconds", "How long did it take?", "How long each stage took.", elements)
