"""What was understood, printed for people: names are never taken for markup."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import TYPE_CHECKING

from ...core.words import plural
from .copies import CANNOT_SEE
from .sizes import SizeCheck
from .suspicion import EXAMPLES
from .understanding import Understanding

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

LONGEST_TABLE = 30
"""Labels that are printed."""
MOST_FORMS = 10
"""Modalities and body parts that are printed."""

EXAMPLES_OF = {
    "duplicates": "exact_across_subjects",
    "near-duplicates": "near_across_subjects",
    "burned-in-text": "text",
    "quarantine": "quarantine",
    "identifiers-in-names": "names",
    "faces-in-names": "names",
}
"""Which examples stand behind a warning."""


def print_understanding(understanding: Understanding, console: Console | None = None) -> None:
    """Print a report for people (on stdout if no console is given), warnings last; names are never taken for markup."""
    from rich.text import Text

    from ...core.terminal import console as plain

    console = console or plain()
    for line in _overview(understanding):
        console.print(Text(line))
    console.print(_label_table(understanding))
    console.print(Text(_size_line(understanding.size)))
    for note in understanding.notes:
        console.print(Text(f"note: {note}"))
    if understanding.duplicates.identical_files is not None:
        console.print(Text(f"the search for near-duplicates in this input cannot see: {CANNOT_SEE}", style="dim"))
    number = 0
    for mend, together in groupby(understanding.warnings, key=lambda warning: warning.how_to_mend):
        first = number + 1
        for number, warning in enumerate(together, first):
            console.print(Text(f"WARNING {number}: {warning.sentence}.", style="bold yellow"))
            if shown := _shown_examples(understanding, warning.kind):
                console.print(Text(f"  e.g. {shown}", style="dim"))
        what = "it" if number == first else f"{first} {'to' if number > first + 1 else 'and'} {number}"
        console.print(Text(f"  to mend {what}: {mend}."))
    if not understanding.warnings:
        console.print(Text("no warnings"))


def _shown_examples(u: Understanding, kind: str) -> str:
    """Names of the first few images behind a warning, or nothing."""
    examples = u.examples.get(EXAMPLES_OF.get(kind, kind), [])
    if isinstance(examples, dict):
        faces = kind == "faces-in-names"
        lists = [names for name, names in examples.items() if EXAMPLES_OF[kind] != "names" or (name == "face") is faces]
        examples = [name for names in lists for name in names]
    shown = (_equal_names(one) if isinstance(one, list) else one for one in examples[:EXAMPLES])
    return ", ".join(map(_printable, shown))


def _printable(text: str) -> str:
    """Text in which invisible characters are written as escapes: some would turn the rest of a line round."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)


def _equal_names(names: Sequence[str]) -> str:
    """The names of one picture, a few of them."""
    more = [f"{len(names) - EXAMPLES} more"] if len(names) > EXAMPLES else []
    return " = ".join([*names[:EXAMPLES], *more])


def _overview(u: Understanding) -> list[str]:
    """The lines above the table."""
    per = u.images_per_subject
    lines = [
        f"{plural(u.images, 'image')} of {plural(u.subjects, 'subject')}; "
        f"per subject {per['min']:g} to {per['max']:g}{_largest(u)}, median {per['median']:g}",
        f"read {u.read:,} = kept {u.images:,} + quarantined {u.read - u.images:,}"
        + (f"; layout {u.layout}" if u.layout else ""),
    ]
    if u.subject_from:
        lines.append(f"subject taken from {u.subject_from}")
    if u.ignored:
        lines.append(
            f"found {u.read + u.ignored:,} = read {u.images:,} + refused {u.read - u.images:,} + ignored {u.ignored:,} "
            "(no images of this cohort: labels, tables and other files)"
        )
    if u.quarantined:
        lines.append("quarantined: " + ", ".join(f"{count:,} {reason}" for reason, count in u.quarantined.items()))
    if u.sizes:
        sizes = [f"{row['height']} × {row['width']} ({row['images']:,})" for row in u.sizes]
        if u.other_sizes["sizes"]:
            sizes.append(f"{plural(u.other_sizes['sizes'], 'other size')} ({u.other_sizes['images']:,})")
        lines += ["height × width: " + ", ".join(sizes), f"bits: {_listed(u.bits)}; channels: {_listed(u.channels)}"]
    for counts, what in ((u.modalities, "modality"), (u.body_parts, "body part")):
        if counts:
            others = [f"{len(counts) - MOST_FORMS} more"] if len(counts) > MOST_FORMS else []
            shown = [f"{_printable(value)} ({count:,})" for value, count in list(counts.items())[:MOST_FORMS]]
            lines.append(f"{what}: {', '.join([*shown, *others])}")
    for image, subject in u.examples.get("subjects", []):
        lines.append(f"e.g. {_printable(image)} shows {_printable(subject)}")
    within = u.duplicates.exact_within_subjects
    if within is not None and within.pairs:
        lines.append(f"{plural(within.pairs, 'pair')} of identical images within subjects")
    return lines


def _largest(u: Understanding) -> str:
    """Who has the most images, if subjects differ."""
    alike = u.images_per_subject["min"] == u.images_per_subject["max"]
    return "" if alike else "".join(f" ({subject})" for subject in u.examples.get("dominant-subject", []))


def _size_line(size: SizeCheck) -> str:
    verdict = "enough people" if size.enough else "too few people"
    return (
        f"{verdict} for the gate: train {size.train:,} ({size.protected_needed:,} needed for a miss bound of "
        f"{size.miss_bound:g}), held-out people for thresholds {size.strangers:,} ({size.strangers_needed:,} needed)"
    )


def _listed(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{value} ({count:,})" for value, count in counts.items())


def _label_table(u: Understanding) -> Table:
    """Images and subjects of each label, and subjects by split; the most frequent labels where there are many."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE, title="labels, with subjects by split", title_justify="left", pad_edge=False)
    table.add_column("label", overflow="fold", max_width=30)
    for name in ("images", "subjects", *u.splits):
        table.add_column(name, justify="right", no_wrap=True)
    labels = u.labels
    if len(labels) > LONGEST_TABLE:
        frequent = sorted(labels, key=lambda label: -labels[label]["all"]["subjects"])[:LONGEST_TABLE]
        labels = {label: counts for label, counts in labels.items() if label in frequent}
    for label, counts in labels.items():
        table.add_row(Text(label), *_cells(counts["all"], counts))
    if len(labels) < len(u.labels):
        table.add_row(Text(f"and {plural(len(u.labels) - len(labels), 'more label')}"))
    table.add_section()
    table.add_row("every image", *_cells({"subjects": u.subjects, "images": u.images}, u.splits))
    return table


def _cells(whole: Mapping[str, int], by_split: Mapping[str, Mapping[str, int]]) -> list[str]:
    people = [counts["subjects"] for name, counts in by_split.items() if name != "all"]
    counts = [whole["images"], whole["subjects"], *people]
    return [f"{count:,}" for count in counts]
