"""The scheme chest8 against its definition, and labels that are odd."""

from __future__ import annotations

import itertools
from collections import Counter
from pathlib import Path

import pytest

from unpersonal.core.errors import InputError
from unpersonal.images.archives import FolderArchive
from unpersonal.layouts.labels import CHEST8, CHEXPERT14, UNLABELLED, Policy, apply_scheme, doubts, select, settle
from unpersonal.layouts.listing import ListedImage, make_listing

from ..journeys.cohort_cases import (
    init,
    try_init,
)
from ..journeys.cohort_cases import (
    refused as init_refused,
)
from .cases import chexpert_row, chexpert_table, listing_in, listing_of, notes, write


def by_hand(labels: set[str]) -> str | None:
    """The class of an image, written down from the definition."""
    findings = labels - {"Support Devices"}
    if "No Finding" in labels:
        return "No Finding" if findings == {"No Finding"} else None
    findings -= {"Lung Opacity", "Enlarged Cardiomediastinum"}
    return findings.pop() if len(findings) == 1 and findings <= set(CHEST8) else None


def test_selection_of_every_set_of_up_to_three_observations():
    for size in range(4):
        for labels in itertools.combinations(CHEXPERT14, size):
            assert select(labels)[0] == by_hand(set(labels)), labels
    assert [select(labels)[1] for labels in (("Edema", "Fracture"), ("Fracture",), (), ("Lung Opacity",))] == [
        "several-findings", "other-finding", "other-finding", "other-finding",
    ]  # fmt: skip
    assert select(("No Finding", "Edema"))[1] == select(("No Finding", "Lung Opacity"))[1] == "several-findings"


OBSERVED = ("No Finding", "Edema", "Pneumonia", "Fracture", "Lung Opacity", "Support Devices")


@pytest.mark.parametrize("missing", ["zero", "ignore"])
def test_an_open_value_refuses_exactly_if_it_could_change_the_class(missing):
    policy = Policy("ignore", missing, "chest8")
    for values in itertools.product((1, 0, -1, None), repeat=len(OBSERVED)):
        opened = [n for n, v in zip(OBSERVED, values, strict=True) if v == -1 or (v is None and missing == "ignore")]
        certain = {n for n, v in zip(OBSERVED, values, strict=True) if v == 1}
        readings = {
            by_hand(certain | set(more)) for k in range(len(opened) + 1) for more in itertools.combinations(opened, k)
        }
        labels, reason, _ = settle(OBSERVED, values, policy)
        assert bool(reason) == (len(readings) > 1), values
        if not reason:
            assert select(labels)[0] == readings.pop()


def test_scheme_over_a_listing():
    records = [
        ListedImage("1", "a", ("effusion",), "train"),
        ListedImage("2", "a", ("Pleural_Effusion",)),
        ListedImage("3", "b", ("no finding",)),
        ListedImage("4", "b", ("CARDIOMEGALY", "Support Devices", "Lung Opacity")),
        ListedImage("5", "c", ("Infiltration",)),
        ListedImage("6", "c", ("Edema", "Mass")),
        ListedImage("7", "d", ()),
    ]
    listing = make_listing(FolderArchive(Path(".")), records, ("whatever",), refused=[("0", "view", "LL")])
    chosen = apply_scheme(listing, "chest8")
    assert chosen.classes == CHEST8 and apply_scheme(listing, "all") is listing
    assert [(record.image, record.labels[0]) for record in chosen.records] == [
        ("1", "Pleural Effusion"), ("2", "Pleural Effusion"), ("3", "No Finding"), ("4", "Cardiomegaly"),
    ]  # fmt: skip
    assert chosen.records[0].split == "train" and [record.subject for record in chosen.records] == list("aabb")
    assert [row[:2] for row in chosen.refused] == [
        ("0", "view"), ("5", "other-finding"), ("6", "several-findings"), ("7", "other-finding"),
    ]  # fmt: skip
    assert len(chosen.records) + len(chosen.refused) == len(records) + 1
    assert len(chosen.notes) == 1 and chosen.notes[0].startswith("1 image ")
    assert apply_scheme(chosen, "chest8") == chosen
    with pytest.raises(InputError, match=r"No image of 1 has .*Mass"):
        apply_scheme(make_listing(listing.archive, records[5:6], ()), "chest8")


def test_scheme_in_a_table_and_a_folder(tmp_path):
    (tmp_path / "t.csv").write_text(
        "image,subject,label\n1.png,a,Effusion\n2.png,b,Effusion|Mass\n3.png,c,Hernia\n4.png,d,No_Finding\n"
    )
    listing = listing_in(tmp_path, "t.csv", labels="chest8")
    assert [record.labels for record in listing.records] == [("Pleural Effusion",), ("No Finding",)]
    assert Counter(row[1] for row in listing.refused) == {"several-findings": 1, "other-finding": 1}
    for name in ("Edema", "fracture"):
        (tmp_path / "images" / name).mkdir(parents=True)
        (tmp_path / "images" / name / "p1.png").write_bytes(b"x")
    listing = listing_in(tmp_path, "images", subject=r"(?P<subject>p\d)", labels="chest8")
    assert [record.image for record in listing.records] == ["Edema/p1.png"] and listing.classes == CHEST8
    assert [row[1] for row in listing.refused] == ["other-finding"]


def test_the_scheme_by_its_name_and_by_its_classes_is_the_same(tmp_path):
    rows = [chexpert_row(f"train/patient0000{i}/study1/view1_frontal.jpg", "Edema", *more)
            for i, more in enumerate([(), ("Fracture",), ("Atelectasis",), ("Support Devices",)])]  # fmt: skip
    write(tmp_path, "train.csv", text=chexpert_table(*rows))
    named, spelt = (listing_of(tmp_path, labels="chest8", classes=classes) for classes in ([], list(CHEST8)))
    assert named.records == spelt.records and named.refused == spelt.refused
    assert [(r.subject[-1], r.labels) for r in spelt.records] == [("0", ("Edema",)), ("3", ("Edema",))]
    assert [row[1] for row in spelt.refused] == ["several-findings"] * 2


@pytest.mark.slow
@pytest.mark.parametrize("word", ["#N/A", "N/A", "nan", "null", "#VALUE!"])
def test_what_programs_write_for_nothing_is_a_blank(tmp_path, table, root, word):
    def half(i: int, row: dict[str, str]) -> None:
        row["label"] = word if i % 2 else row["label"]

    path = table(half)
    init_refused(try_init(tmp_path / "s", path, *root), "rows have no label", "N/A, nan", "--missing ignore")
    found = init(tmp_path / "s", path, *root, "--missing", "ignore")
    assert word not in found.json["labels"] and set(found.reasons.values()) == {"label-missing"}


@pytest.mark.slow
def test_words_that_may_mean_no_label_are_pointed_out(tmp_path, table, root):
    found = init(tmp_path / "s", table(lambda i, row: row.update(label="none" if i % 2 else "ill")), *root)
    assert "none" in found.json["labels"]
    assert "'none' was taken as a label like any other" in notes(found) and "--missing" in notes(found)


@pytest.mark.slow
def test_spellings_of_a_label_and_two_labels_in_one_cell(tmp_path, table, root):
    names = ("Edema", "edema", "Edema, Devices", "Other")
    path = table(lambda i, row: row.update(label=names[int(row["subject"][4:]) % 4]))
    said = notes(init(tmp_path / "s", path, *root))
    assert "1 label is written in several ways ('Edema' and 'edema')" in said
    assert "1 label holds a comma or semicolon ('Edema, Devices')" in said and "write several labels as a|b" in said

    rare = table(lambda i, row: row.update(label="Edema, Devices" if i == 0 else row["label"]))
    init_refused(try_init(tmp_path / "t", rare, *root), "'Edema, Devices' (1 subject)", "write several labels as a|b")


@pytest.mark.parametrize(
    "labels", [("No Finding", "Edema"), ("normal", "bacteria"), ("0", "1"), ("x, ", "y"), ("ER+", "ER-")]
)
def test_ordinary_labels_are_not_doubted(labels):
    assert doubts(labels) == []


def test_values_that_were_given_are_never_overruled():
    policy = Policy(missing="predict")
    assert settle(("a", "b"), (None, None), policy) == UNLABELLED
    assert settle(("a", "b"), (1, 0), policy) == (("a",), "", "")
    assert settle(("a", "b"), (0, 0), policy) == ((), "", "")
    labels, reason, detail = settle(("a", "b"), (1, None), policy)
    assert (labels, reason) == ((), "label-missing") and "b" in detail
    assert settle(("a", "b"), (-1, None), policy)[1] == "label-uncertain"
