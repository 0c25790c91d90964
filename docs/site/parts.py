"""A page for each kind of part: every layout, attack, matcher, metric … that the registries hold."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from tables import cell, code, first_sentence, table

from unpersonal.core.registry import Registry
from unpersonal.matching.kinds import KINDS
from unpersonal.plugins import REGISTRIES, registry
from unpersonal.release.exports import FORMS

SAID = {
    "layout": ("Layouts", "`unpersonal init --layout NAME`. Each has [a page](../../layouts/index.md) of its own."),
    "codec": ("Codecs", "Pixels to latents and back: `[codec] kind`."),
    "condition": ("Conditions", "What the denoiser is told of an image: `[features] condition`, several with `+`."),
    "encoder": ("Encoders", "Images to vectors, for the condition `feature`: `[features] kind`."),
    "solver": ("Solvers", "From noise to latents: `[synthesis] solver`."),
    "network": ("Networks", "For the judges and the recipient's classifier: `[judges]`, `[utility] network`."),
    "matcher": (
        "Matchers",
        "Who is in this picture: `[judges] matchers`. They are told in [matching](../../matching.md).",
    ),
    "attack": (
        "Attacks",
        "What the audit tries: `[audit] attacks`. What they mean: [threat model](../../threat-model.md). "
        "One of your own: [add an attack](../../howto/add-an-attack.md).",
    ),
    "metric": ("Metrics", "How diverse and how lifelike images are: `[utility] metrics`, `unpersonal metrics`."),
    "export": ("Exports", "Other forms of a release: `unpersonal export --to FORM` ([exports](../../export.md))."),
}
"""Kind to the title of its page and what such a part is for."""


def registries() -> dict[str, Registry[Any]]:
    """Every registry by kind."""
    return {**{kind: registry(kind) for kind in REGISTRIES}, "export": FORMS}


def pages() -> dict[str, tuple[str, str]]:
    """File name to title and text: one page for each kind of part, and the kinds of copies."""
    made = {f"{kind}s.md": (SAID[kind][0], page(kind, found)) for kind, found in registries().items()}
    return {**made, "kinds-of-copies.md": ("Kinds of copies", kinds_of_copies())}


def page(kind: str, found: Registry[Any]) -> str:
    """The parts of one kind."""
    title, what = SAID[kind]
    needs = kind == "attack"
    rows = [
        [name_of(kind, name), cell(said_of(found, name)), *([needed(found.get(name))] if needs else [])]
        for name in found.own_names()
    ]
    head = ["name", "what it is", *(["needs"] if needs else [])]
    more = f"Other packages may offer more, as entry points of the group `{found.group}`: [extend](../../extend.md).\n"
    return f"# {title}\n\n{what}\n\n{table(head, rows)}\n{more}"


def name_of(kind: str, name: str) -> str:
    return f"[`{name}`](../../layouts/{name}.md)" if kind == "layout" else code(name)


def said_of(found: Registry[Any], name: str) -> str:
    """What a part says of itself: its title where it has one, else the first sentence of its module."""
    return getattr(found.get(name), "title", "") or first_sentence(import_module(found.modules()[name]).__doc__)


def needed(attack: Any) -> str:
    """What an attack cannot do without."""
    needs = attack.needs
    said = {
        "labels": needs.labels,
        "labels of released images": needs.released_labels,
        "class probabilities": needs.probabilities,
        "the model": needs.model,
        "trained networks": needs.cost == "high",
    }
    return ", ".join(name for name, holds in said.items() if holds) or "images alone"


def kinds_of_copies() -> str:
    """Every kind of copy that is planted."""
    rows = [
        [code(each.name), cell(each.title.format("…")), ", ".join(f"{s:g}{each.unit}" for s in each.strengths)]
        for each in KINDS
    ]
    text = "Copies of these kinds are planted to try gate and audit; a leak of another kind is of unknown recall.\n"
    text += "Which of them are promised: [matching](../../matching.md#kinds-of-copies).\n\n"
    return f"# Kinds of copies\n\n{text}{table(['kind', 'in words', 'strengths'], rows)}"
