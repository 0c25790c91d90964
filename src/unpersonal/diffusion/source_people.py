"""Whether a model that training starts from has seen people whom this study holds out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ..cohort.table import load_cohort
from ..core.errors import InputError
from ..core.files import read_json
from ..core.hashing import sha256_file

HELD_OUT = ("val", "aux", "test")
MODELS = ("models", "diffusion")


def check_source_people(study: Path, source: Path) -> bool:
    """Whether the people of the checkpoint `source` are known, and none of them is held out by `study`.

    `source` is what `[diffusion] start_from` names (see `transfer.locate`). True if it is the model of a study, that is
    if a cohort.parquet lies beside its models, and none of that study's train images has the content (SHA-256 of the
    file) of an image of this study's val, aux or test part. False if it belongs to no study, or to one whose people are
    not all known: its model started from a checkpoint itself, or its records contradict that the model was trained on
    the cohort that is there. `InputError` if held-out images are among its train images, or a cohort cannot be read.
    """
    folder = _study_of(source)
    if folder is None:
        return False
    theirs, ours = load_cohort(folder), load_cohort(study)
    trained = set(theirs.table["sha256"].to_numpy()[theirs.rows("train")])
    found = {part: int(ours.table["sha256"].iloc[ours.rows(part)].isin(trained).sum()) for part in HELD_OUT}
    if any(found.values()):
        counts = ", ".join(f"{part} {count}" for part, count in found.items() if count)
        raise InputError(
            f"The model to start from was trained on images that this study holds out ({counts}): monitor, gate, audit "
            "and utility would be measured on people whom it has seen",
            where=f"[diffusion] start_from = {source}",
            how="start from a model of other people, or from none, or give both studies the same splits",
        )
    return not folder.joinpath(*MODELS, "denoiser.start.json").is_file() and not _contradicted(folder)


def _study_of(source: Path) -> Path | None:
    """The study whose `models/diffusion` holds the checkpoint `source`; None where there is none.

    A checkpoint that merely lies in a study's folder is no model of that study.
    """
    from .transfer import locate

    checkpoint = locate(source)
    for path in (checkpoint.absolute(), checkpoint.resolve()):
        folder = path.parents[len(MODELS)] if path.parts[-len(MODELS) - 1 : -1] == MODELS else None
        if folder is not None and path.suffix == ".safetensors" and (folder / "cohort.parquet").is_file():
            return folder
    return None


def _contradicted(folder: Path) -> bool:
    """Whether the study's records say that its denoiser was trained on another cohort, or is another file."""
    records = [_record(folder / "cohort.stage.json"), _record(folder.joinpath(*MODELS, "stage.json"))]
    cohort, diffusion = records
    if cohort is None or diffusion is None:
        return False
    now = {"cohort.parquet": cohort, "models/diffusion/denoiser.safetensors": diffusion}
    same = all(_part(record, "outputs").get(name) == sha256_file(folder / name) for name, record in now.items())
    return not same or _part(diffusion, "inputs").get("cohort") != cohort.get("output_hash")


def _record(path: Path) -> dict[str, Any] | None:
    values = read_json(path) if path.is_file() else None
    return values if isinstance(values, dict) else None


def _part(record: dict[str, Any], name: str) -> dict[str, Any]:
    value = record.get(name)
    return value if isinstance(value, dict) else {}
