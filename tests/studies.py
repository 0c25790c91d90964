"""Small studies: cohorts made of lists, the files that stages leave for each other, and studies of the command line."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import tomlkit

from unpersonal.audit.attempts import LEDGER, Attempt, Ledger
from unpersonal.audit.chain import AttemptFigures
from unpersonal.audit.figures import AuditFigures
from unpersonal.audit.profiles import Profile
from unpersonal.cohort.table import Cohort
from unpersonal.core.files import write_json
from unpersonal.core.pixels import to_float
from unpersonal.core.tensors import save_array
from unpersonal.matching.kinds import names

SUBJECT = r"(?P<subject>sub-\d+)"
"""The subject in the names of files that `write_phantom` writes."""
LOOSE = {
    # half the people go to the auditor: with fewer than 100 of them planted copies are not found, and no audit passes
    "cohort.splits.train": 0.25,
    "cohort.splits.val": 0.08,
    "cohort.splits.aux": 0.55,
    "cohort.splits.test": 0.12,
    "judges.reidentifier_steps": 150,
    # after fifty steps a sample is like everybody, and two dozen held-out people cannot tell that from a memory
    "diffusion.max_match_rate": 1.0,
    # a small study cannot hold the default policy: the audit's and the gate's bounds are too wide
    "policy.audit_advantage_upper": 1.0,
    "policy.audit_membership_upper": 1.0,
    "policy.audit_true_positives_upper": 1.0,
    "policy.audit_top_upper": 1.0,
    "policy.audit_inference_upper": 1.0,
    "policy.gate_miss_upper": 1.0,
    "policy.gate_false_flag": 1.0,
    "policy.utility_gap_upper": 1.0,
    # nor can the bounds of so few copies say that a kind is found
    "policy.may_be_blind": list(names()),
    # nor can so few held-out people say which samples are too like a train image
    "policy.match_power": 0.0,
    "policy.match_rate_lower": 1.0,
}
"""Settings with which `PEOPLE` phantom people get a release."""
WIDE = Profile("open", auroc=1.0, tpr=1.0, isolated=1.0, top=1.0, inference=1.0, who="tests")
"""Margins that every audit keeps: what is not a bound decides."""
PEOPLE = 260


def in_turn(subjects: Iterable[str], splits: Sequence[str], run: int = 1) -> dict[str, str]:
    """The split of each subject: in order of names, `run` subjects for every entry of `splits`, again and again."""
    return {name: splits[i // run % len(splits)] for i, name in enumerate(sorted(set(subjects)))}


def in_blocks(subjects: Iterable[str], sizes: Mapping[str, int]) -> dict[str, str]:
    """The split of each subject: in order of their names, so many for each split, as `sizes` says."""
    names = sorted(set(subjects))
    splits = [split for split, size in sizes.items() for _ in range(size)]
    return dict(zip(names, splits, strict=True))


def cohort_of(
    subjects: Sequence[str],
    labels: Sequence[str | Sequence[str]],
    split: str | Mapping[str, str] | Sequence[str] = "train",
    *,
    images: Sequence[str] | None = None,
    sha256: Sequence[str] | None = None,
    classes: Sequence[str] | None = None,
    seed: int = 0,
    colour: bool = False,
    unlabelled: Sequence[bool] | None = None,
) -> Cohort:
    """A cohort of one row per entry of `subjects`.

    A row's label is a name or a list of names; `split` is one for all, one for each subject or one for each row. Names
    of images and contents count up unless they are given; `classes` are the labels that occur. `unlabelled` says of
    each row whether nobody labelled it: its labels are left out.
    """
    count = len(subjects)
    sets = [[row] if isinstance(row, str) else [str(label) for label in row] for row in labels]
    names = [f"{row}.png" for row in range(count)] if images is None else list(images)
    if isinstance(split, str):
        splits = [split] * count
    else:
        splits = [split[subject] for subject in subjects] if isinstance(split, Mapping) else list(split)
    bare = [False] * count if unlabelled is None else [bool(flag) for flag in unlabelled]
    table = pd.DataFrame(
        {
            "image": names,
            "subject": [str(subject) for subject in subjects],
            "labels": [[] if none else row for none, row in zip(bare, sets, strict=True)],
            "split": splits,
            "sha256": [f"{row:064x}" for row in range(count)] if sha256 is None else list(sha256),
        }
    )
    found = sorted({label for row in sets for label in row}) if classes is None else classes
    hidden = frozenset(name for name, none in zip(names, bare, strict=True) if none)
    return Cohort(table, tuple(found), seed, colour, hidden)


def write_study(
    path: Path,
    cohort: Cohort,
    images: np.ndarray | None = None,
    *,
    codec: Any = None,
    kind: str = "",
    conditions: np.ndarray | None = None,
    selected: tuple[np.ndarray, Sequence[Sequence[str]]] | None = None,
) -> Path:
    """Write what stages read: the cohort, uint8 [n,C,H,W] images, latents of a codec, conditions, selected images.

    `codec` is an instance of our codec `kind`; latents come with it. `conditions` float32 [n,d] are one component
    `feature`. `selected` are uint8 [m,C,H,W] images with their labels.
    """
    path.mkdir(parents=True, exist_ok=True)
    cohort.save(path)
    if images is not None:
        save_array(path / "store" / "images.npy", images)
    if codec is not None:
        from unpersonal.codec.store import save_codec

        save_codec(path / "store" / "codec.safetensors", codec, kind)
        save_array(path / "store" / "latents.npy", codec.encode(to_float(images)).numpy())
    if conditions is not None:
        from unpersonal.features.store import Component, save_conditions

        save_conditions(path, conditions, (Component("feature", 0, conditions.shape[1]),))
    if selected is not None:
        write_selected(path, *selected, cohort.classes)
    return path


def write_selected(path: Path, images: np.ndarray, labels: Sequence[Sequence[str]], classes: Sequence[str]) -> None:
    """Write selected images uint8 [m,C,H,W] as synthesis leaves them."""
    targets = np.array([[name in row for name in classes] for row in labels], dtype=np.float32)
    save_array(path / "candidates" / "selected.npy", images)
    save_array(path / "candidates" / "selected_targets.npy", targets.reshape(len(images), len(classes)))
    write_json(path / "candidates" / "selected_labels.json", [list(row) for row in labels])
    drop_selected(path)


def drop_selected(path: Path, rows: Sequence[int] = ()) -> None:
    """Write which of the selected images the audit dropped."""
    from unpersonal.synthesis.selected import load_selected, write_dropped

    write_dropped(path, load_selected(path), rows)


def write_candidates(path: Path, drawn: np.ndarray, cohort: Cohort, *, released: int) -> None:
    """Write candidates uint8 [m,C,H,W] with their ledger: labels take turns, every third is flagged.

    The first `released` of the others are selected; the train images take turns as the nearest.
    """
    from unpersonal.release.lock import pixel_hash

    rows = np.arange(len(drawn))
    flagged = rows % 3 == 2
    chosen = rows[~flagged][:released]
    write_selected(path, drawn[chosen], [[cohort.classes[row % len(cohort.classes)]] for row in chosen], cohort.classes)
    ledger = pd.DataFrame(
        {
            "draw": rows,
            "source": rows % len(cohort.rows("train")),
            "attempt": 0,
            "candidate": 0,
            "seed": rows + 987654321,
            "guidance": 1.4,
            "score": np.where(flagged, 0.9, 0.1 + 0.001 * rows),
            "nearest": rows % len(cohort.rows("train")),
            "flagged": flagged,
            "by": np.where(flagged, "re-identifier", ""),
            "selected": np.isin(rows, chosen),
            "sha256": [pixel_hash(image) for image in drawn],
        }
    )
    ledger.to_parquet(path / "candidates" / "ledger.parquet", index=False)


def write_attempts(path: Path) -> AttemptFigures:
    """Write the ledger of a study that was audited once and passed; what its audit tells of it."""
    ledger, attempt = Ledger(path / LEDGER), Attempt("people", "config", 0, "release")
    ledger.begin(attempt)
    audit = {"verdict": "pass", "reasons": (), "notes": (), "advantage": 0.001, "advantage_upper": 0.03}
    found = AuditFigures(**audit, policy_upper=0.05, profile="open", tests=())
    return ledger.end(attempt, found, "none", 0.02)


# ---- the command line ----


def command(*words: object) -> list[str]:
    return [sys.executable, "-m", "unpersonal", *(str(word) for word in words)]


def call(*words: object, env: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """The command in a process of its own."""
    return subprocess.run(command(*words), capture_output=True, text=True, check=False, env=env)


def change_settings(study: Path, values: Mapping[str, Any]) -> None:
    """Give keys of study.toml, such as `cohort.splits.train`, other values; a key that is not there is a KeyError.

    One that is not set stands there as a comment.
    """
    path = study / "study.toml"
    text = path.read_text(encoding="utf-8")
    document = tomlkit.parse(text)
    for name, value in values.items():
        *tables, key = name.split(".")
        inner: Any = document
        for table in tables:
            inner = inner[table]
        if f"# {key} = (not set)" not in text:
            inner[key]
        inner[key] = value
    path.write_text(tomlkit.dumps(document), encoding="utf-8")


def new_study(path: Path, images: Path, settings: Mapping[str, Any], *words: object) -> Path:
    """A study that `unpersonal init` made of a folder of phantom images, with other settings."""
    done = call(
        *("init", path, "--images", images, "--layout", "folder", "--subject", SUBJECT, "--preset", "tiny", *words)
    )
    assert done.returncode == 0, done.stderr
    change_settings(path, settings)
    return path
