"""How the model was trained, how good the judges are, and how the images were drawn: sections of report.html."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from ..core.errors import InputError
from ..core.files import read_json
from ..core.numbers import of_many
from ..core.words import plural
from ..release.card import memorisation, start_statement
from ..release.evidence import aggregates_only
from ..release.figures import StudyFigures
from .charts import Series, history_series, line_chart
from .page import Element, Section, all_tables, key_table, shown, words
from .pictures import judges_roc
from .public import Public, inner
from .questions import MEMORY


def read_optional(path: Path) -> object:
    """Parsed JSON, or None where the file is missing or broken: the report is written whatever happened before."""
    try:
        return read_json(path)
    except (InputError, OSError):
        return None


def _training_charts(study: Path, folder: str, name: str) -> list[Element]:
    """Loss and errors of the networks that a folder of models/ holds."""
    elements: list[Element] = []
    history = read_optional(study / "models" / folder / "history.json")
    if series := history_series(history):
        alt = f"Loss of the {name} while training. {_ends(series)}"
        chart = line_chart(f"training-{folder}", series, xlabel="step", ylabel="loss", alt=alt)
        text = f"Training loss of the {name}: it falls and levels off where training is at its end."
        elements.append(Element("chart", text, content=chart))
    errors = {
        f"{network}, {people}": line
        for key, people in (("train_error", "people who were used"), ("held_out_error", "other people"))
        for network, line in history_series(history, key=key).items()
    }
    if errors:
        alt = f"Error of the {name} on people who were used and on others. {_ends(errors)}"
        chart = line_chart(f"errors-{folder}", errors, xlabel="step", ylabel="error", alt=alt)
        text = "Error on people who were used and on others. Where the lines part, the model begins to learn by heart."
        elements.append(Element("chart", text, content=chart))
    return elements


def _ends(series: Mapping[str, Series]) -> str:
    """Where every line begins and ends, for whoever does not see them."""
    return " ".join(f"{name}: from {shown(float(y[0]))} to {shown(float(y[-1]))}." for name, (_, y) in series.items())


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
    lead = "How the program learnt that drew the images, and the programs that judged them."
    return Section("training", "How was the model trained?", lead, tuple(elements))


def _curves(value: object, name: str = "") -> dict[str, Series]:
    found: dict[str, Series] = {}
    if isinstance(value, Mapping):
        if "fpr" in value and "tpr" in value:
            try:
                fpr, tpr = (np.asarray(value[key], dtype=np.float64).reshape(-1) for key in ("fpr", "tpr"))
            except (TypeError, ValueError):
                return {}
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
            elements.append(judges_roc(f"roc-{judge}", curves, text))
    lead = "Two programs judge what is drawn: one tells people apart, one labels. 1 is perfect, 0.5 is guessing."
    return Section("judges", "How good are the judges?", lead, tuple(elements))


def synthesis(figures: StudyFigures, public: Public) -> Section:
    """Counts of planned images and candidates, match rate before the gate."""
    lead = (
        "How many images were planned and drawn, how many matched a real person before the gate, and how many passed, "
        "in all and by label set."
    )
    found, elements = figures.synthesis, []
    if found:
        matched = of_many(min(max(found.match_rate_before_gate, 0.0), 1.0))
        said = f"{found.candidates:,} images were drawn for {plural(found.draws, 'planned one')}; {matched} first draws"
        elements = [Element("text", f"{said} looked like a person of the study and were thrown out.")]
    tables = all_tables(public.table(found))
    return Section("synthesis", "How were the images drawn and chosen?", lead, (*elements, *tables))
