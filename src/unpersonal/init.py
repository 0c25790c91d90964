"""Create a study: read the input completely, raise every input error, say what was understood, write study.toml."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel

from .core.config import build_config
from .core.errors import DiskFullError, InputError
from .core.files import write_text
from .core.places import real_place, study_lock
from .images.text_use import USES
from .layouts.config import CohortConfig
from .presets import preset
from .study import Study, StudyConfig, needs_of

if TYPE_CHECKING:
    from .audit.reachable_lines import Prospect
    from .cohort.inspect.understanding import Understanding
    from .cohort.table import Cohort


FITS = ("crop", "pad")


def init_study(
    path: Path | str,
    cohort: dict[str, Any],
    *,
    preset_name: str = "cpu",
    size: int | None = None,
    fit: str | None = None,
    read_text: str | None = None,
    seed: int = 0,
) -> tuple[Cohort, Understanding]:
    """Check the input named by `cohort` (the keys of `[cohort]`) and write the study: study.toml, cohort.parquet,
    quarantine.csv and the prepared images. `size`, `fit` and `read_text` are those of `[images]`, the
    preset's where None.

    Returns the cohort and what was understood of it, with examples by path: for its owner's eyes. Nothing is left
    behind where an `InputError` is raised; an existing folder that is not empty is refused. After a kill, an
    interruption or a full disk (`DiskFullError`) the same call goes on with what was prepared; the exception says where
    that lies.
    """
    from .cohort.read import read
    from .cohort.stage import write_reading

    path = real_place(Path(path).absolute())
    images = Path(cohort["images"]).absolute()
    refuse_odd_text([str(path), str(images), *cohort.values()])
    if path.exists() and not path.is_dir():
        raise InputError("There is a file where the study should go", where=str(path), how="choose a new folder")
    if path.exists() and any(path.iterdir()):
        raise InputError("The study folder exists and is not empty", where=str(path), how="choose a new folder")
    values: dict[str, Any] = {"seed": seed, **{name: dict(table) for name, table in preset(preset_name).items()}}
    if fit not in (None, *FITS):
        raise InputError(f"Images cannot be fitted by {fit!r}", where="--fit", how=f"use {' or '.join(FITS)}")
    if read_text not in (None, *USES):
        raise InputError(f"Text cannot be read {read_text!r}", where="--read-text", how=f"use {', '.join(USES)}")
    form = {"size": size, "fit": fit, "read_text": read_text}
    values["images"].update({key: value for key, value in form.items() if value is not None})
    config = build_config(StudyConfig, {**values, "cohort": cohort}, where="the command line")
    absolute = {key: str(Path(cohort[key]).expanduser().absolute()) for key in ("images", "root") if cohort.get(key)}
    kept = build_config(StudyConfig, {**values, "cohort": {**cohort, **absolute}}, where="the command line")
    _refuse_inside(path, config.cohort)
    with _workshop(path) as workshop:
        reading = read(
            config.cohort,
            seed,
            Path.cwd(),
            images=config.images,
            store=workshop / "store",
            workers=config.images.workers,
            read_text=config.images.read_text,
            needs=needs_of(config),
            named=frozenset(cohort),
        )
        write_reading(workshop, reading)
        write_text(workshop / "study.toml", to_toml(kept, preset_name))
        Study.open(workshop)
    return reading.cohort, reading.understanding


def audit_prospect(path: Path | str, cohort: Cohort) -> Prospect:
    """Which verdicts the audit of a study just made can reach with the people of its `cohort`."""
    from .audit.reachable_lines import prospect_of
    from .audit.registry import own_attacks

    config = Study.open(path).config
    attacks = set(own_attacks(model=config.audit.model)) & set(config.audit.attacks)
    released = config.synthesis.planned(config.synthesis.lending(len(cohort.rows("train")))) or None
    return prospect_of(
        cohort,
        attacks=len(attacks),
        profile=config.policy.profile,
        design=config.audit.design,
        released=released,
        config=config.audit,
    )


def _refuse_inside(path: Path, cohort: CohortConfig) -> None:
    """A study among the images of a folder would be read as images of people; of a table only named files are read."""
    from .layouts.read import image_root, input_path

    study, root = Path(os.path.realpath(path)), image_root(cohort, Path.cwd())
    if input_path(cohort, Path.cwd()).is_dir() and (study == root or root in study.parents):
        raise InputError("The study would lie among its own images", where=str(path), how="choose a folder outside")


@contextmanager
def _workshop(path: Path) -> Iterator[Path]:
    """A hidden folder beside `path` that becomes `path` on success and is removed where the input is wrong.

    A process that is killed, finds the disk full or ends with a bug leaves it, and the next one goes on with the images
    that were prepared: they are found by content.
    """
    workshop = path.with_name(f".{path.name}.init")
    if workshop.exists() and not (workshop / ".lock").is_file():
        raise InputError("A folder has the name that init works under", where=str(workshop), how="move it away")
    try:
        workshop.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(
            f"The study folder cannot be made ({error.strerror})", where=str(path), how="choose a folder to write in"
        ) from None
    with ExitStack() as stack:
        try:
            stack.enter_context(study_lock(workshop))
        except InputError:
            with suppress(OSError):
                workshop.rmdir()  # empty where no process could lock it
            raise
        try:
            yield workshop
        except DiskFullError as error:
            # removing it would make room, and throw away what may have taken hours
            raise DiskFullError(error.what, where=error.where, how=f"{error.how}. {_left_in(workshop)}") from None
        except InputError:
            shutil.rmtree(workshop, ignore_errors=True)
            raise
        except KeyboardInterrupt:
            # whoever does not go on must know where pictures of people lie, in a folder that file managers hide
            raise KeyboardInterrupt(f"interrupted; the same command continues. {_left_in(workshop)}.") from None
        _move(workshop, path)


def _left_in(workshop: Path) -> str:
    return (
        f"What was prepared so far, images of people among it, lies in {workshop}: "
        "delete that folder if you do not continue"
    )


def _move(workshop: Path, path: Path) -> None:
    (workshop / ".lock").unlink()
    try:
        if path.exists():
            path.rmdir()
        os.replace(workshop, path)
    except OSError as error:
        shutil.rmtree(workshop, ignore_errors=True)
        raise InputError(
            f"The study folder came into use meanwhile ({error.strerror})", where=str(path), how="choose a new folder"
        ) from None


def refuse_odd_text(values: Iterable[Any]) -> None:
    """Names that are no UTF-8 can stand neither in study.toml nor in a Parquet file."""
    for value in values:
        text = ",".join(map(str, value)) if isinstance(value, list) else str(value)
        try:
            text.encode("utf-8")
        except UnicodeEncodeError:
            raise InputError(
                f"{text!a} is not UTF-8 text",
                where="the command line",
                how="rename the file or folder, or set the terminal to UTF-8",
            ) from None


def to_toml(config: StudyConfig, preset_name: str) -> str:
    """`config` as TOML, each key with its meaning as a comment; keys that are None are comments."""
    import tomlkit

    document = tomlkit.document()
    document.add(tomlkit.comment(f"A study of unpersonal, from the preset {preset_name!r}. Unknown keys are refused."))
    _fill(document, config)
    return tomlkit.dumps(document)


def _fill(container: Any, model: BaseModel) -> None:
    import tomlkit

    def is_table(name: str) -> bool:
        return isinstance(getattr(model, name), BaseModel | dict)

    # a key after a table would belong to that
    for name, info in sorted(type(model).model_fields.items(), key=lambda field: is_table(field[0])):
        value = getattr(model, name)
        if value is None or value == {}:
            if info.description:
                container.add(tomlkit.comment(f"{name} = (not set)  {' '.join(info.description.split())}"))
            continue
        if isinstance(value, BaseModel):
            table = tomlkit.table()
            _fill(table, value)
            container.add(name, table)
            continue
        plain = model.model_dump(mode="json", include={name})[name]
        item = tomlkit.item(plain)
        if info.description:
            item.comment(" ".join(info.description.split()))
        container.add(name, item)


__all__ = ["CohortConfig", "audit_prospect", "init_study", "to_toml"]
