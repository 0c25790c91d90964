"""Whether the model that training starts from, and the study that it is of (the origin), know people held out here."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ..cohort.table import Cohort, load_cohort
from ..core.distributed import world
from ..core.errors import InputError
from ..core.files import read_json
from ..core.hashing import sha256_file
from ..core.progress import console
from .config import PHANTOM

HELD_OUT = ("val", "aux", "test", "control")
MODELS = ("models", "diffusion")
COHORT_RECORD, MODEL_RECORD = "cohort.stage.json", "models/diffusion/stage.json"
START_REPORT = "models/diffusion/denoiser.start.json"


def check_origin_subjects(study: Path, origin: Path) -> bool:
    """Whether the people of the checkpoint `origin` are known, and none of them is held out by `study`.

    See `why_unknown`, whose answer is also printed.
    """
    reason = why_unknown(study, origin)
    if reason is not None and world().first:
        console.print(f"The people of the model to start from are not known: {reason}", markup=False)
    return reason is None


def why_unknown(study: Path, origin: Path) -> str | None:
    """None where the people of the checkpoint `origin` are known and held out by nobody here, else what is in doubt.

    `origin` is what `[diffusion] start_from` names (see `checkpoints.read`). Its people are known if it is the model of
    a study whose records say that it was trained on the cohort that lies there, and from its beginning there; and if
    the ids of all train subjects of that cohort are ids of train subjects of this study. Ids that are not found here
    may be other names of the same people. `InputError` if a train image of that cohort has the content (SHA-256 of the
    file) of an image of this study's val, aux or test, or a train subject the id of a subject of these; or if a
    cohort cannot be read.
    """
    checkpoint = _of_study(origin)
    if checkpoint is None:
        return "it is the model of no study"
    folder = checkpoint.parents[len(MODELS)]
    theirs, ours = load_cohort(folder), load_cohort(study)
    _refuse_held_out(theirs, ours, origin)
    return _doubt(folder, checkpoint) or _strangers(theirs, ours)


def shared_train(study: Path, origin: Path) -> int:
    """How many train images of `study` the study of the checkpoint `origin` trained on, or on whose people, by their
    ids and contents; 0 where it is the model of no study.
    """
    checkpoint = _of_study(origin)
    if checkpoint is None:
        return 0
    theirs, ours = load_cohort(checkpoint.parents[len(MODELS)]), load_cohort(study)
    rows = ours.rows("train")
    known = [
        ours.table[column].iloc[rows].isin(set(theirs.table[column].iloc[theirs.rows("train")]))
        for column in ("subject", "sha256")
    ]
    return int((known[0] | known[1]).sum())


def _of_study(origin: Path) -> Path | None:
    """The checkpoint that `origin` means, in a study's `models/diffusion`; None where it lies in none.

    A checkpoint that merely lies elsewhere in a study's folder is no model of that study.
    """
    from ..checkpoints.read import locate

    checkpoint = locate(origin)
    for path in (checkpoint.absolute(), checkpoint.resolve()):
        if path.parts[-len(MODELS) - 1 : -1] != MODELS or path.suffix != ".safetensors":
            continue
        if (path.parents[len(MODELS)] / "cohort.parquet").is_file():
            return path
    return None


def _refuse_held_out(theirs: Cohort, ours: Cohort, origin: Path) -> None:
    """`InputError` where an image or a subject that `theirs` trains on is held out by `ours`."""
    how = "start from a model of other people, or from none, or give both studies the same splits"
    images = _held_out(theirs, ours, "sha256")
    if images:
        raise InputError(
            f"The model to start from was trained on images that this study holds out ({images}): monitor, gate, audit "
            "and utility would be measured on people whom it has seen",
            where=f"[diffusion] start_from = {origin}",
            how=how,
        )
    subjects = _held_out(theirs, ours, "subject")
    if subjects:
        raise InputError(
            "The model to start from was trained on subjects with the same ids as subjects that this study holds out "
            f"({subjects}): monitor, gate, audit and utility would be measured on people whom it has seen",
            where=f"[diffusion] start_from = {origin}",
            how=f"{how}; if they are different people with the same ids, give the ids a prefix per source",
        )


def _held_out(theirs: Cohort, ours: Cohort, column: str) -> str:
    """How many values of `column` in each held-out subset of `ours` are in train of `theirs`; empty where none is."""
    trained = set(theirs.table[column].iloc[theirs.rows("train")])
    found = {name: len(trained & set(ours.table[column].iloc[ours.rows(name)])) for name in HELD_OUT}
    return ", ".join(f"{name} {count}" for name, count in found.items() if count)


def _strangers(theirs: Cohort, ours: Cohort) -> str | None:
    """What is in doubt where not every train subject of `theirs` has the id of one of `ours`."""
    trained = set(theirs.subjects[theirs.rows("train")])
    here = trained & set(ours.subjects[ours.rows("train")])
    if not here:
        return "none of its subjects' ids is found here, so the same people may have other ids in this study"
    if here != trained:
        return "some of its train subjects are no train subjects of this study, at least by their ids"
    return None


def _doubt(folder: Path, checkpoint: Path) -> str | None:
    """What speaks against it that `checkpoint` was trained on the cohort of the study in `folder`, and on no other."""
    cohort, diffusion = (_record(folder / name) for name in (COHORT_RECORD, MODEL_RECORD))
    if cohort is None or diffusion is None:
        return "a record of its study is missing or cannot be read"
    weights = checkpoint.relative_to(folder).as_posix()
    if not (_same(folder, "cohort.parquet", cohort) and _same(folder, weights, diffusion)):
        return "the files of its study are not those that its records name"
    trained_on = _table(diffusion, "inputs").get("cohort")
    if not isinstance(trained_on, str) or trained_on != cohort.get("output_hash"):
        return "the records of its study do not say that it was trained on the cohort that lies there"
    settings = _table(_table(diffusion, "config"), "diffusion")
    if (
        (folder / START_REPORT).exists()
        or START_REPORT in _table(diffusion, "outputs")
        or settings.get("start_from") not in ("", None, PHANTOM)
    ):
        return "it started from another model itself"
    return None


def was_mirrored(origin: Path) -> bool | None:
    """Whether the checkpoint `origin` was trained on mirrored images too; None where its study does not say.

    False for the model of no study: its people are not known anyway.
    """
    checkpoint = _of_study(origin)
    if checkpoint is None:
        return False
    record = _record(checkpoint.parents[len(MODELS)] / MODEL_RECORD)
    flipped = _table(_table(record or {}, "config"), "diffusion").get("horizontal_flip")
    return flipped if isinstance(flipped, bool) else None


def _same(folder: Path, name: str, record: dict[str, Any]) -> bool:
    """Whether the file `name` of a study has the content that the stage's record says."""
    try:
        return bool(_table(record, "outputs").get(name) == sha256_file(folder / name))
    except OSError:
        return False


def _record(path: Path) -> dict[str, Any] | None:
    """A stage's record; None where it is missing or broken in whatever way."""
    try:
        values = read_json(path)
    except (InputError, OSError, ValueError, RecursionError):
        return None
    return values if isinstance(values, dict) else None


def _table(record: dict[str, Any], name: str) -> dict[str, Any]:
    value = record.get(name)
    return value if isinstance(value, dict) else {}
