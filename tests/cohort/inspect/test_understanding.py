"""The report on an input: counts against counting by hand, one cohort per suspicion."""

from __future__ import annotations

import io
import json
from collections import Counter

import numpy as np
import pytest
from rich.console import Console

from tests.studies import cohort_of
from unpersonal.cohort.dealing import SPLITS
from unpersonal.cohort.inspect.copies import Duplicates, ExactCopies, NearCopies
from unpersonal.cohort.inspect.duplicates import find_duplicates
from unpersonal.cohort.inspect.name_checks import inspect_names
from unpersonal.cohort.inspect.picture_checks import FileForms
from unpersonal.cohort.inspect.printing import print_understanding
from unpersonal.cohort.inspect.sizes import (
    subjects_per_subset,
)
from unpersonal.cohort.inspect.understanding import understand
from unpersonal.cohort.splits import split_subjects
from unpersonal.cohort.stage import figures
from unpersonal.images.picture import NOTES
from unpersonal.images.preprocess import PreprocessConfig
from unpersonal.images.reasons import Reason
from unpersonal.layouts.config import Splits
from unpersonal.layouts.listing import About
from unpersonal.phantom import phantom_cohort

FRACTIONS = {"train": 0.5, "val": 0.1, "aux": 0.1, "test": 0.3}


def make_cohort(subjects, labels, split=None, names=None):
    """A cohort, divided as `[cohort.splits]` says unless `split` is given; `labels` holds a tuple or one label each."""
    sets = [list(row) if isinstance(row, tuple | list) else [row] for row in labels]
    split = split or split_subjects(subjects, sets, Splits(), 0)
    return cohort_of(subjects, sets, split, images=names or [f"img/{i:05d}.png" for i in range(len(subjects))])


def ample(people=3000):
    """A cohort large enough for the default policy, two images of every third subject, two labels in turn."""
    subjects = [f"patient-{i}" for i in range(people) for _ in range(1 + (i % 3 == 0))]
    return make_cohort(subjects, ["ab"[int(name.split("-")[1]) % 2] for name in subjects])


def kinds(understanding):
    return [warning.kind for warning in understanding.warnings]


def printed(understanding, width=80):
    stream = io.StringIO()
    print_understanding(understanding, Console(file=stream, width=width, force_terminal=False))
    return stream.getvalue()


def test_an_ample_cohort_raises_no_warning():
    cohort = ample()
    report = understand(cohort, fractions=FRACTIONS)
    assert report.warnings == [] and report.size.enough
    sizes = subjects_per_subset(cohort)
    assert sizes["val-calibration"] + sizes["aux"] == report.size.strangers >= 100
    text = " ".join(printed(report).split())
    assert (
        "no warnings" in text
        and "enough people for the gate: train 1,500 (299 needed for a miss bound of 0.01)" in text
    )


def test_counts_against_counting_by_hand():
    rng = np.random.default_rng(0)
    subjects = [f"s{i}" for i in rng.integers(0, 200, 500)]
    labels = [tuple(sorted(set(rng.choice(list("abc"), rng.integers(0, 3))))) for _ in subjects]
    cohort = make_cohort(subjects, labels)
    report = understand(cohort, quarantine=[("x.png", Reason.EMPTY, "…"), ("y.png", Reason.UNREADABLE, "…")] * 2)
    assert report.read == 504 == report.images + sum(report.quarantined.values())
    assert report.quarantined == {"empty": 2, "unreadable": 2}
    per = Counter(subjects)
    expected = {"min": min(per.values()), "median": float(np.median(list(per.values()))), "max": max(per.values())}
    assert report.images_per_subject == expected and report.subjects == len(per)
    assert report.unlabelled == sum(not row for row in labels)
    for label in "abc":
        for split in SPLITS:
            rows = [i for i in range(500) if label in labels[i] and cohort.splits[i] == split]
            counted = {"images": len(rows), "subjects": len({subjects[i] for i in rows})}
            assert report.labels[label][split] == counted
    assert {split: counts["images"] for split, counts in report.splits.items()} == dict(Counter(cohort.splits))


def test_sizes_depths_and_channels():
    n = 60
    cohort = make_cohort([f"s{i}" for i in range(n)], ["a", "b"] * (n // 2))
    height = np.array([100] * 30 + [200] * 10 + list(range(300, 320)))
    facts = FileForms(height, height + 5, np.array([8] * 59 + [16]), np.array([1] * 20 + [3] * 40))
    report = understand(cohort, facts)
    assert report.sizes[:2] == [
        {"height": 100, "width": 105, "images": 30},
        {"height": 200, "width": 205, "images": 10},
    ]
    assert len(report.sizes) == 10 and report.other_sizes == {"sizes": 12, "images": 12}
    assert report.bits == {"8": 59, "16": 1} and report.channels == {"1": 20, "3": 40}
    assert "12 other sizes (12)" in printed(report)
    with pytest.raises(ValueError, match="facts"):
        understand(cohort, FileForms(height[:5], height[:5], height[:5], height[:5]))


@pytest.mark.slow
def test_copies_across_subjects_and_splits():
    images, subjects, _ = phantom_cohort(200, 2, 64)
    first_visits = np.unique(subjects, return_index=True)[1]
    images, subjects = images[first_visits].copy(), [subjects[row] for row in first_visits]
    split = {subject: SPLITS[row % 4] for row, subject in enumerate(subjects)}
    images[131] = images[100]
    images[140] = np.clip(images[20] * 0.8 + 15, 0, 255).astype(np.uint8)
    cohort = make_cohort(subjects, ["a", "b"] * 100, split)
    found = find_duplicates(images, subjects, list(cohort.table["sha256"]))
    report = understand(cohort, duplicates=found)
    first, second = report.warnings[:2]
    assert (first.kind, first.count) == ("duplicates", 1) and "1 of them in two splits" in first.sentence
    assert (second.kind, second.count) == ("near-duplicates", 1) and "two splits" not in second.sentence
    names = cohort.table["image"]
    assert report.examples["exact_across_subjects"] == [[names[100], names[131]]]
    assert report.examples["near_across_subjects"] == [[names[20], names[140]]]
    assert report.duplicates.near_across_subjects.pairs == 1
    near = found.near
    assert kinds(report).count("near-duplicates-unseen") == 0 and near.expected_false < 1
    # a bound that is told, not the share that happened to be found
    worst = f"{near.found(near.worst_kind)} of 128 planted ones of the worst kind, {near.worst_kind})"
    assert f"at least {int(100 * near.least_recall(near.worst_kind))} % of copies are found ({worst}" in second.sentence
    assert near.least_recall(near.worst_kind) < near.recall[near.worst_kind]


def copies(**near):
    """What `find_duplicates` would say of 3,000 images; 128 copies of each kind planted."""
    none = ExactCopies(0, 0, 0, (), ())
    facts = {"pairs": 0, "images": 0, "examples": (), "listed": (), "threshold": 0.9, "expected_false": 0.1}
    facts |= {"strangers": 0.4, "recall": {"noisy": 1.0, "cropped": 1.0}, "planted": 128}
    return Duplicates(3000, none, none, NearCopies(**(facts | near)), 0)


def said_of(cohort, **near):
    report = understand(cohort, duplicates=copies(**near))
    return [(w.kind, w.count, w.sentence) for w in report.warnings if w.kind.startswith("near-duplicates")], report


def test_a_search_that_is_blind_says_so_whatever_it_found():
    cohort = ample()
    assert said_of(cohort)[0] == []
    # the lower bound of 109 of 128 is 0.790, of 111 it is 0.808
    assert said_of(cohort, recall={"noisy": 1.0, "cropped": 111 / 128})[0] == []
    ((kind, count, sentence),), report = said_of(cohort, recall={"noisy": 1.0, "cropped": 109 / 128})
    assert (kind, count) == (
        "near-duplicates-unseen",
        1,
    ) and "109 of 128 planted copies of the kind 'cropped'" in sentence
    text = " ".join(printed(report).split())
    assert "may be missed: 109 of 128" in text and "no warnings" not in text
    blind = {"noisy": 0.0, "cropped": 0.5}
    found, _ = said_of(cohort, recall=blind, pairs=1, images=2, listed=((0, 1),), examples=((0, 1),))
    assert [(kind, count) for kind, count, _ in found] == [("near-duplicates", 1), ("near-duplicates-unseen", 2)]
    assert "at least 0 % of copies are found (0 of 128" in found[0][2]
    # one that finds all of a few copies has shown little
    assert said_of(cohort, planted=13)[0][0][0] == "near-duplicates-unseen" and said_of(cohort, planted=14)[0] == []


def test_pairs_come_with_what_chance_would_make_and_none_where_nothing_can_be_told():
    cohort = ample()
    some = {"pairs": 4, "images": 8, "listed": ((0, 1),), "examples": ((0, 1),)}
    assert "by chance" not in said_of(cohort, **some)[0][0][2]
    assert "about 3 images may look so by chance" in said_of(cohort, expected_false=2.4, **some)[0][0][2]
    many = said_of(cohort, **(some | {"pairs": 5000, "images": 1900}))[0][0][2]
    assert "1,900 of 4,000 images" in many and "strangers may simply look alike" in many
    ((kind, count, sentence),), report = said_of(cohort, expected_false=1500.0, too_alike=True)
    assert (kind, count) == ("near-duplicates-unseen", 4000) and "cannot be told from strangers" in sentence
    assert report.duplicates.near_across_subjects.too_alike is True
    json.dumps(figures(cohort, report).to_json(), allow_nan=False)


def test_a_small_cohort_is_told_what_it_would_take():
    subjects = [f"s{i}" for i in range(400)]
    report = understand(make_cohort(subjects, ["a", "b"] * 200), fractions=FRACTIONS)
    assert kinds(report) == ["few-strangers", "few-protected-subjects"]
    assert [warning.count for warning in report.warnings] == [60, 200]
    assert all("about 670 subjects" in warning.how_to_mend for warning in report.warnings)
    strict = understand(make_cohort(subjects, ["a", "b"] * 200), fractions=FRACTIONS, miss_bound=0.001)
    assert "2,995" in strict.warnings[1].sentence and "about 6,000 subjects" in strict.warnings[1].how_to_mend
    given = understand(make_cohort(subjects, ["a", "b"] * 200))
    assert "the given splits" in given.warnings[0].how_to_mend


def test_rare_and_unbalanced_labels():
    subjects = [f"s{i}" for i in range(3200)]
    report = understand(make_cohort(subjects, ["rare" if i % 60 == 0 else "common" for i in range(3200)]))
    assert kinds(report) == ["few-test-subjects-of-label", "label-imbalance"]
    assert "'rare' 16" in report.warnings[0].sentence and report.warnings[1].count == 58
    enough = understand(make_cohort(subjects, ["rare" if i % 20 == 0 else "common" for i in range(3200)]))
    assert kinds(enough) == ["label-imbalance"]


def test_every_other_suspicion_has_its_warning_and_none_comes_alone():
    cohort = ample()
    n = len(cohort)
    assert understand(cohort, text=np.full(n, 1.9), conflicts=(0, ""), picture_notes={"head": 0}).warnings == []
    report = understand(
        cohort,
        quarantine=[(f"q{i}.png", Reason.EMPTY, "") for i in range(400)],
        names=inspect_names(["DOE^JOHN.png", "face.png"]),
        text=np.where(np.arange(n) < 7, 2.0, 0.0),
        picture_notes={"burned-in": 3, "head": 2},
        conflicts=(5, "kept in train"),
        notes=["a note"],
    )
    assert [(warning.kind, warning.count) for warning in report.warnings] == [
        ("split-conflict", 5),
        ("burned-in-text", 7),
        ("burned-in", 3),
        ("head", 2),
        ("identifiers-in-names", 1),
        ("faces-in-names", 1),
        ("quarantine", 400),
    ]
    assert all(warning.how_to_mend for warning in report.warnings) and report.notes == ["a note"]
    assert len(report.examples["text"]) == 3 and report.examples["quarantine"] == {
        "empty": ["q0.png", "q1.png", "q2.png"]
    }


def test_little_quarantine_is_counted_and_not_warned_of():
    report = understand(ample(), quarantine=[("q.png", Reason.EMPTY, "")] * 100)
    assert report.warnings == [] and report.quarantined == {"empty": 100}


def test_a_pattern_that_joins_people_is_suspected():
    cohort = ample()
    joined = make_cohort([*cohort.subjects, *["everyone"] * 700], [*cohort.labels, *[["a"]] * 700])
    assert kinds(understand(joined)) == ["dominant-subject"]


@pytest.mark.parametrize("note", NOTES)
def test_every_note_of_a_picture_has_its_own_advice(note):
    (warning,) = understand(ample(), picture_notes={note: 1}).warnings
    assert warning.kind == note and warning.sentence.startswith("1 image:") and len(warning.how_to_mend) > 15


@pytest.mark.slow
def test_figures_name_no_image_no_subject_and_no_note():
    names = [f"SECRET_folder/IMAGE{i}.png" for i in range(300)]
    cohort = make_cohort([f"PATIENT{i // 2}" for i in range(300)], ["a", "b"] * 150, names=names)
    images = np.random.default_rng(0).integers(0, 256, (300, 1, 32, 32), dtype=np.uint8)
    images[7] = images[200]
    report = understand(
        cohort,
        quarantine=[("SECRET_folder/broken.png", Reason.EMPTY, "SECRET detail")] * 30,
        duplicates=find_duplicates(images, cohort.subjects, [str(i) for i in range(300)]),
        names=inspect_names([f"{name[:-4]}_1970-01-31.png" for name in names]),
        text=np.full(300, 9.0),
        notes=["SECRET note"],
        conflicts=(1, "SECRET resolution"),
    )
    told = json.dumps(figures(cohort, report).to_json(), allow_nan=False)
    assert not any(word in told for word in ("SECRET", "PATIENT", "IMAGE", "examples"))
    whole = json.loads(json.dumps(report.to_dict(), allow_nan=False))
    assert "SECRET_folder/IMAGE7.png" in whole["examples"]["exact_across_subjects"][0]
    sentences = " ".join(warning["sentence"] + warning["how_to_mend"] for warning in whole["warnings"])
    assert "PATIENT" not in sentences and "IMAGE" not in sentences and "broken" not in sentences
    private = json.dumps({key: whole[key] for key in ("examples", "notes")})
    assert "SECRET note" in private and "SECRET_folder" not in json.dumps({**whole, "examples": {}})


def test_images_that_a_crop_halves_are_counted_and_named_with_what_to_say():
    cohort = ample(60)
    n = len(cohort)
    height = np.full(n, 64)
    height[:3] = (32, 16, 48)
    facts = FileForms(height, np.full(n, 64), np.full(n, 8), np.ones(n, int))
    report = understand(cohort, facts, fractions=FRACTIONS, preprocessing=PreprocessConfig(size=32))
    (said,) = [warning for warning in report.warnings if warning.kind == "cropped"]
    assert said.count == 3
    assert "75% at most and 2 of them half or more" in said.sentence
    assert "--fit pad" in said.how_to_mend
    assert report.examples["cropped"] == [f"img/0000{row}.png" for row in (1, 0, 2)]
    padded = understand(cohort, facts, fractions=FRACTIONS, preprocessing=PreprocessConfig(size=32, fit="pad"))
    assert "cropped" not in kinds(padded) and "cropped" not in padded.examples


def said(report, kind):
    (warning,) = [warning for warning in report.warnings if warning.kind == kind]
    return warning


def test_mixtures_and_what_is_no_plain_picture_are_counted_and_warned_of():
    cohort = ample(60)
    names = cohort.table["image"].tolist()
    about = {
        name: About("CT" if row % 4 else "MR", "CHEST", "localizer" if row < 3 else "")
        for row, name in enumerate(names)
    }
    report = understand(cohort, fractions=FRACTIONS, about=about)
    few = sum(row % 4 == 0 for row in range(len(names)))
    assert report.modalities == {"CT": len(names) - few, "MR": few}
    assert report.body_parts == {"CHEST": len(names)}
    assert report.sorts == {"localizer": 3}
    assert f"{len(names) - few} CT, {few} MR" in said(report, "mixed-modalities").sentence
    assert "mixed-parts" not in kinds(report)
    assert said(report, "localizer").count == 3
    assert "--leave-out localizer" in said(report, "localizer").how_to_mend
    assert report.examples["localizer"] == names[:3]
    assert f"modality: CT ({len(names) - few}), MR ({few})" in printed(report, 200)
    alone = understand(cohort, fractions=FRACTIONS, about={name: About("CT") for name in names})
    assert alone.modalities == {"CT": len(names)}
    assert kinds(alone) == kinds(understand(cohort, fractions=FRACTIONS))


def test_masks_sheets_pages_and_thumbnails_are_named_with_what_to_say():
    cohort = ample(60)
    left = [(f"a/masks/{i}.png", Reason.MASK, "a mask") for i in range(5)]
    others = {"contact-sheets": np.array([1]), "pages": np.array([2, 3]), "thumbnails": np.array([4])}
    masks = ["a/labels/1.png", "a/labels/2.png"]
    notes = {"few-levels": 7}
    report = understand(cohort, fractions=FRACTIONS, quarantine=left, masks=masks, others=others, picture_notes=notes)
    assert said(report, "masks-left-out").count == 5
    assert "in masks/" in said(report, "masks-left-out").sentence
    assert "--masks keep" in said(report, "masks-left-out").how_to_mend
    assert said(report, "masks").count == 7
    assert "2 by their names (in labels/), 7 by few grey values" in said(report, "masks").sentence
    assert "--leave-out 'labels/'" in said(report, "masks").how_to_mend
    assert [said(report, kind).count for kind in others] == [1, 2, 1]
    assert all("--leave-out" in said(report, kind).how_to_mend for kind in others)
    assert report.examples["pages"] == ["img/00002.png", "img/00003.png"]
    # left out as asked for: not a sign of damage
    assert "quarantine" not in kinds(report)
