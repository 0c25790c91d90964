"""The main job on the embedded phantom cohort, the whole way, in minutes on two CPU cores."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from .core.errors import InputError
from .core.extras import require
from .core.places import real_place
from .core.rooms import callable_room
from .core.telling import stage_progress
from .init import init_study
from .study import Study

if TYPE_CHECKING:
    from .report.summary import Summary

callable_room(__name__)

SUBJECTS = 2400
"""Enough for the audit under `agreement`; half of them train, and are not learnt by heart in 18 epochs."""
SIZE = 32
FINDINGS = ("No Finding", "Pleural Effusion", "Cardiomegaly")
"""What few hundred people of 32 px and minutes of training can tell apart."""
SUBJECT_PATTERN = r"(?P<subject>sub-\d+)"


def demo(path: Path | str = "demo-study", *, device: str = "auto", seed: int = 0) -> Summary:
    """Write a phantom cohort beside the study, create the study at `path` where there is none, and run it.

    The phantom images lie in `<path>-images`; another `seed` invents other people and draws anew. Returns the summary;
    raises `PolicyRefused` as `Study.run` does. A folder at `path` that is not empty and holds no study is an
    `InputError`.
    """
    from .layouts.known.folder import LAYOUT
    from .phantom import write_phantom

    path = real_place(Path(path).absolute())
    images = path.with_name(path.name + "-images")
    if not (path / "study.toml").is_file():
        if path.exists() and (not path.is_dir() or any(path.iterdir())):
            raise InputError("The folder exists and holds no study", where=str(path), how="choose a new folder")
        if not images.exists():
            require("train")
            with stage_progress("phantom"):
                write_phantom(images, subjects=SUBJECTS, seed=seed, size=SIZE, findings=FINDINGS)
        cohort = {"images": str(images), "layout": LAYOUT.name, "subject": SUBJECT_PATTERN}
        with stage_progress("init"):
            init_study(path, cohort, preset_name="demo", seed=seed)
    return Study.open(path, device=device).run()
