"""Subject-wise split into train, val, aux and test, stratified by label; splits that the input gives are kept."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from ..core.errors import InputError
from ..core.words import plural, share
from ..images.reasons import Reason
from ..layouts.config import Splits
from ..layouts.listing import ListedImage, Refusal
from .dealing import CONTROL, SPLITS
from .strata import shuffled_strata, subject_strata

POOL = "train-val"
Conflict = Literal["error", "train", "test", "drop"]
EXAMPLES = 3


@dataclass(frozen=True)
class SplitCounts:
    """Subjects in two given splits, those of them left out, and subjects moved from a given train to another split."""

    conflicts: int = 0
    dropped: int = 0
    carved: int = 0


@dataclass(frozen=True)
class SplitResult:
    """The split of every subject that is kept, and the images (reason `split-conflict`) of those that are not.

    `notes` are sentences for the owner: how given splits were read.
    """

    split: dict[str, str]
    refused: tuple[Refusal, ...] = ()
    notes: tuple[str, ...] = ()
    counts: SplitCounts = field(default_factory=SplitCounts)
    dealt: tuple[str, ...] = SPLITS
    """The splits into which chance divided one pool of people."""


def resolve_splits(
    records: Sequence[ListedImage],
    fractions: Splits,
    seed: int,
    policy: Conflict | None = None,
    *,
    official: bool = False,
    control: Literal["held-out", "random"] = "held-out",
    joined: Mapping[str, str] | None = None,
) -> SplitResult:
    """Split of every subject from what its records are given, `fractions` where nothing is given.

    Without given splits this is `split_subjects`. Given splits are kept. A subject given to test never enters another
    one, except by the policy for conflicts below. What the input gives as `train-val` is divided between train and the
    splits it does not give; without `train-val` these are carved out of train, in both cases by subject, stratified by
    label, with the fractions renormalised over the splits of the pool. The missing splits are aux (no public data set
    has it), val, and, only if the splits are `official`, test: somebody's own column without test is left without, for
    the checks to refuse.

    A subject in two given splits moves as a whole. `policy` says where: `error` (the default for a column of the
    user's own, where it is a mistake to be mended), `train` (the default for `official` splits), `test`, or `drop`.
    Train is the safe choice: there the person is protected, since every candidate is compared with every image of
    train. In test the person would serve as a control, as somebody whom no model ever saw, which is false for any
    network trained elsewhere on the official train split, and would make the audit too kind. Such a subject stays in
    train and is not carved into another split. The number of these subjects is always noted.

    Where test is given, chance did not decide who trains and who is control of the audit. With `control` = `random` a
    split `control`, with the fraction of test, is carved out of the pool as well: for the audit alone.

    Subjects whom `joined` gives one name are divided as one, with the labels of all their images.

    Whoever has a labelled image is divided as if all were, so that train and control stay exchangeable; of images that
    nobody labelled those outside train are then refused (`label-missing`), for what is measured is measured on given
    labels. A subject without any labelled image could be measured in no split and goes to train, or stays there.

    Raises `InputError` for conflicts under `error`, for images without a split where others have one, and for official
    splits that leave no subject to train.
    """
    given = _given(records)
    if not given:
        return _split_all(records, fractions, seed, joined or {})
    policy = policy or ("train" if official else "error")
    conflicting = sorted(subject for subject, splits in given.items() if len(splits) > 1)
    if conflicting and policy == "error":
        _refuse_conflicts(conflicting, given)
    split = {subject: next(iter(splits)) for subject, splits in given.items() if len(splits) == 1}
    shares = _missing(split, fractions, official, control)
    carved = _carve(_pool(split, official), shares, records, seed, joined or {})
    notes = [*_carve_notes(split, carved, official)]
    split.update(carved)
    if policy != "drop":
        split.update(dict.fromkeys(conflicting, policy))
    notes += [*_conflict_notes(conflicting, policy), *_unlabelled_notes(records, split)]
    refused = [
        (record.image, Reason.SPLIT_CONFLICT, f"its subject is in {' and '.join(sorted(given[record.subject]))}")
        for record in records
        if record.subject not in split
    ]
    refused += _refuse_unlabelled(records, split)
    counts = SplitCounts(
        conflicts=len(conflicting),
        dropped=len(conflicting) if policy == "drop" else 0,
        carved=sum(name != "train" for name in carved.values()),
    )
    return SplitResult(split, tuple(sorted(refused)), tuple(notes), counts, tuple(shares))


def _split_all(records: Sequence[ListedImage], fractions: Splits, seed: int, joined: Mapping[str, str]) -> SplitResult:
    """Without given splits: whoever has a labelled image is divided, all others go to train."""
    known = [record for record in records if record.labelled]
    subjects, labels = [record.subject for record in known], [record.labels for record in known]
    alone = _unlabelled_subjects(records)
    divided = split_subjects(subjects, labels, fractions, seed, joined) if known else {}
    split = {**_with_train(divided, alone, joined), **dict.fromkeys(sorted(alone), "train")}
    refused = _refuse_unlabelled(records, split)
    return SplitResult(split, tuple(sorted(refused)), _unlabelled_notes(records, split))


def _with_train(split: Mapping[str, str], train: Collection[str], joined: Mapping[str, str]) -> dict[str, str]:
    """`split` where whoever is joined with somebody who goes to `train` goes there as well."""
    groups = {joined[subject] for subject in train if subject in joined}
    return {subject: "train" if joined.get(subject) in groups else name for subject, name in split.items()}


def _unlabelled_subjects(records: Sequence[ListedImage]) -> set[str]:
    """Subjects without any labelled image."""
    return {record.subject for record in records} - {record.subject for record in records if record.labelled}


def _pool(split: Mapping[str, str], official: bool) -> list[str]:
    """The subjects out of whom the missing splits are made."""
    pool = [subject for subject, name in split.items() if name == POOL]
    pool = pool or [subject for subject, name in split.items() if name == "train"]
    if not pool and official:
        raise InputError(
            f"The official splits leave no subject to train (they give {', '.join(sorted(set(split.values())))})",
            where="the splits of the data set",
            how="add its train part, or write --no-official-splits to split all subjects anew",
        )
    return pool


def split_subjects(
    subjects: Sequence[str],
    labels: Sequence[Sequence[str]],
    fractions: Splits,
    seed: int,
    joined: Mapping[str, str] | None = None,
) -> dict[str, str]:
    """The split of every subject; `subjects` and `labels` have one entry per image.

    Subjects whom `joined` gives one name are one.

    Within each stratum of label the counts follow the fractions with the largest remainders rounded up; which subject
    goes where depends on the seed and its name only, not on the order of the rows.
    """
    return _divide(subjects, labels, {name: getattr(fractions, name) for name in SPLITS}, seed, joined or {})


def largest_remainder(total: int, fractions: Sequence[float]) -> list[int]:
    """Whole counts that add up to `total`, each its quota rounded down or up (Hamilton's method).

    Ties go to the earlier fraction.
    """
    quotas = [round(total * fraction, 9) for fraction in fractions]
    counts = [int(quota) for quota in quotas]
    by_remainder = sorted(range(len(quotas)), key=lambda i: (round(counts[i] - quotas[i], 9), i))
    for i in by_remainder[: total - sum(counts)]:
        counts[i] += 1
    return counts


def _given(records: Sequence[ListedImage]) -> dict[str, set[str]]:
    """Given splits of every subject; nothing if no record has one, an `InputError` if only some have."""
    seen: dict[str, set[str]] = defaultdict(set)
    bare = [record.image for record in records if record.split is None]
    if bare and len(bare) < len(records):
        raise InputError(
            f"{share(len(bare), len(records), 'images', 'has', 'have')} no split, the others have one "
            f"(for example {bare[0]!r})",
            where="the splits of the input",
            how="give every image a split, or none: leave out --split-column, or write --no-official-splits",
        )
    for record in records:
        if record.split is not None:
            seen[record.subject].add(record.split)
    return seen


def _refuse_conflicts(conflicting: Sequence[str], given: Mapping[str, set[str]]) -> None:
    raise InputError(
        f"{plural(len(conflicting), 'subject is', 'subjects are')} in more than one split "
        f"(for example {conflicting[0]!r}: {', '.join(sorted(given[conflicting[0]]))})",
        where="the splits that the input gives",
        how="give all images of a subject the same split, or write --split-conflict train, test or drop",
    )


def _missing(
    split: Mapping[str, str], fractions: Splits, official: bool, control: Literal["held-out", "random"]
) -> dict[str, float]:
    """The shares of the pool for train and the splits that the input does not give."""
    there = set(split.values())
    missing = [name for name in SPLITS if name == "train" or (name not in there and (name != "test" or official))]
    shares = {name: getattr(fractions, name) for name in missing}
    if control == "random" and "test" in there:
        shares[CONTROL] = fractions.test
    return {name: each / sum(shares.values()) for name, each in shares.items()}


def _carve(
    pool: Sequence[str],
    shares: Mapping[str, float],
    records: Sequence[ListedImage],
    seed: int,
    joined: Mapping[str, str],
) -> dict[str, str]:
    """New split of every subject of the pool: train, or one that the input does not give."""
    members = set(pool)
    alone = _unlabelled_subjects(records) & members
    rows = [record for record in records if record.labelled and record.subject in members]
    divided = _divide([record.subject for record in rows], [record.labels for record in rows], shares, seed, joined)
    return {
        **dict.fromkeys((subject for subject in pool if subject in alone), "train"),
        **_with_train(divided, alone, joined),
    }


def _divide(
    subjects: Sequence[str],
    labels: Sequence[Sequence[str]],
    shares: Mapping[str, float],
    seed: int,
    joined: Mapping[str, str],
) -> dict[str, str]:
    split: dict[str, str] = {}
    groups = [joined.get(subject, subject) for subject in subjects]
    for members in shuffled_strata(subject_strata(groups, labels), seed, "split").values():
        names = np.repeat(list(shares), largest_remainder(len(members), list(shares.values())))
        split.update(zip(members, (str(name) for name in names), strict=True))
    return {subject: split[group] for subject, group in zip(subjects, groups, strict=True)}


def _carve_notes(split: Mapping[str, str], carved: Mapping[str, str], official: bool) -> list[str]:
    sizes = Counter(carved.values())
    kind = "data set" if official else "input"
    given = Counter(split.values())
    kept = ", ".join(f"{name} {count}" for name, count in sorted(given.items()))
    notes = [f"Splits given by the {kind} were kept (subjects: {kept})."]
    if len(sizes) > 1:
        divided = POOL if POOL in given else "train"
        made = ", ".join(f"{name} {sizes[name]}" for name in (*SPLITS, CONTROL) if sizes[name])
        notes.append(f"The given {divided} part was divided by subject, because parts were missing: {made}.")
    return notes


def _refuse_unlabelled(records: Sequence[ListedImage], split: Mapping[str, str]) -> list[Refusal]:
    return [
        (record.image, Reason.LABEL_MISSING, f"nobody labelled it, and it is in {split[record.subject]}")
        for record in records
        if not record.labelled and split.get(record.subject, "train") != "train"
    ]


def _unlabelled_notes(records: Sequence[ListedImage], split: Mapping[str, str]) -> tuple[str, ...]:
    """How many images nobody labelled, what becomes of them, and what that does to the splits."""
    bare = [record for record in records if not record.labelled and record.subject in split]
    inside = [record for record in bare if split[record.subject] == "train"]
    if not bare:
        return ()
    notes = [f"Nobody labelled {_images_of(bare)} (--missing predict)."]
    if inside:
        notes.append(
            f"{_images_of(inside)} {'is' if len(inside) == 1 else 'are'} in train, where a classifier that learns from "
            "the labelled ones predicts labels."
        )
    if outside := len(bare) - len(inside):
        were = plural(outside, "image outside train was", "images outside train were")
        notes.append(f"{were} left out (label-missing), which leaves {_per_subject(records, split)}.")
    if alone := {record.subject for record in inside} - {record.subject for record in records if record.labelled}:
        sizes = Counter(split.values())
        counts = ", ".join(f"{name} {sizes[name]}" for name in SPLITS)
        notes.append(
            f"{plural(len(alone), 'subject has', 'subjects have')} no labelled image at all: train has them besides "
            f"its share (subjects: {counts})."
        )
    return (" ".join(notes),)


def _images_of(records: Sequence[ListedImage]) -> str:
    subjects = len({record.subject for record in records})
    return f"{plural(len(records), 'image')} of {plural(subjects, 'subject')}"


def _per_subject(records: Sequence[ListedImage], split: Mapping[str, str]) -> str:
    """How many images a subject of train and of test keeps: the audit compares these subjects."""
    kept = [r for r in records if r.subject in split and (r.labelled or split[r.subject] == "train")]
    means = []
    for name in ("train", "test"):
        rows = [record.subject for record in kept if split[record.subject] == name]
        means.append(f"{len(rows) / len(set(rows)):.1f} in {name}" if rows else f"none in {name}")
    return f"{' and '.join(means)} per subject"


def _conflict_notes(conflicting: Sequence[str], policy: str) -> list[str]:
    if not conflicting:
        return []
    fate = "left out" if policy == "drop" else f"put into {policy} with all their images"
    subjects = plural(len(conflicting), "subject is", "subjects are")
    return [f"{subjects} in two given splits, and {fate} (--split-conflict {policy})."]
