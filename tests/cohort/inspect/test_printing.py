"""The printed report: it fits the terminal, says everything, and takes no name for markup."""

from __future__ import annotations

import io
from dataclasses import replace

import numpy as np
import pytest
from rich.console import Console

from tests.studies import cohort_of
from unpersonal.cohort.inspect.picture_checks import FileForms
from unpersonal.cohort.inspect.printing import print_understanding
from unpersonal.cohort.inspect.understanding import understand
from unpersonal.cohort.splits import split_subjects
from unpersonal.images.reasons import Reason
from unpersonal.layouts.config import Splits


def make_cohort(subjects, labels, split=None, names=None):
    """A cohort, divided as `[cohort.splits]` says unless `split` is given; `labels` holds a tuple or one label each."""
    sets = [list(row) if isinstance(row, tuple | list) else [row] for row in labels]
    split = split or split_subjects(subjects, sets, Splits(), 0)
    return cohort_of(subjects, sets, split, images=names or [f"img/{i:05d}.png" for i in range(len(subjects))])


def ample(people=3000):
    """A cohort large enough for the default policy, two images of every third subject, two labels in turn."""
    subjects = [f"patient-{i}" for i in range(people) for _ in range(1 + (i % 3 == 0))]
    return make_cohort(subjects, ["ab"[int(name.split("-")[1]) % 2] for name in subjects])


def printed(understanding, width=80):
    stream = io.StringIO()
    print_understanding(understanding, Console(file=stream, width=width, force_terminal=False))
    return stream.getvalue()


def test_what_the_search_for_near_duplicates_cannot_see_is_said_of_this_search_alone():
    found = understand(make_cohort([f"s{i}" for i in range(20)], ["a", "b"] * 10))
    assert "cannot see" not in printed(found)
    searched = replace(found, duplicates=replace(found.duplicates, identical_files=0))
    text = " ".join(printed(searched).split())
    assert "the search for near-duplicates in this input cannot see: copies that were mirrored" in text


@pytest.mark.parametrize("width", [80, 200])
def test_printed_report_fits_says_everything_and_ends_with_the_warnings(width):
    labels = [f"[red]label {i:02d} of a rather long name that has to be folded" for i in range(45)]
    subjects = [f"s{i}" for i in range(480)]
    cohort = make_cohort(subjects, [labels[i % 45] for i in range(480)])
    facts = FileForms(*(np.full(480, value) for value in (2048, 2500, 16, 1)))
    report = understand(
        cohort,
        facts,
        [("[bold]x.png", Reason.EMPTY, "")] * 90,
        layout="folder",
        notes=["[blink]note"],
        ignored=4,
        colour=True,
    )
    text = printed(report, width)
    assert max(len(line.rstrip()) for line in text.splitlines()) <= width
    flat = " ".join(text.split())
    assert "480 images of 480 subjects" in flat and "read 570 = kept 480 + quarantined 90" in flat
    assert (
        "90 empty" in flat
        and "[bold]x.png" in flat
        and "[blink]note" in flat
        and "[red]label" in flat
        and "and 15 more labels" in flat
    )
    assert "2048 × 2500 (480)" in flat and "found 574 = read 480 + refused 90 + ignored 4 (no images" in flat
    at = [flat.index(f"WARNING {i}:") for i in range(1, len(report.warnings) + 1)]
    assert at == sorted(at) and flat.index("[blink]note") < at[0] and len(at) == 4
    # what mends both warnings of too few people is said once
    assert flat.count("to mend it:") == 2 and flat.count("to mend 1 and 2: about ") == 1
    assert flat.count("subjects in all would do for the gate with the given splits") == 1 and "\x1b" not in text


def test_printing_needs_no_console(capsys):
    print_understanding(understand(ample()))
    assert "no warnings" in capsys.readouterr().out
