"""Create a study: read the input completely, raise every input error, then write study.toml."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import BaseModel

from .cohort.config import CohortConfig
from .core.config import build_config
from .core.errors import InputError
from .core.files import atomic_folder, write_text
from .presets import preset
from .study import Study, StudyConfig


def init_study(
    path: Path | str, cohort: dict[str, Any], *, preset_name: str = "cpu", size: int | None = None, seed: int = 0
) -> dict[str, Any]:
    """Check the input named by `cohort` (the keys of `[cohort]`) and write `path/study.toml`.

    Returns what was understood of the input. Nothing is left behind where an `InputError` is raised; an existing
    folder that is not empty is refused.
    """
    from .cohort.checks import read_cohort

    path = Path(path).absolute()
    images = Path(cohort["images"]).absolute()
    if images.is_dir() and (path == images or images in path.parents):
        raise InputError("The study would lie among its own images", where=str(path), how="choose a folder outside")
    if path.exists() and (not path.is_dir() or any(path.iterdir())):
        raise InputError("The study folder exists and is not empty", where=str(path), how="choose a new folder")
    values: dict[str, Any] = {"seed": seed, **{name: dict(table) for name, table in preset(preset_name).items()}}
    if size is not None:
        values["codec"]["size"] = size
    config = build_config(StudyConfig, {**values, "cohort": cohort}, where="the command line")
    _, quarantine, report = read_cohort(config.cohort, seed, base=Path.cwd())
    refuse_unused(config.cohort, str(report["layout"]))
    absolute = {key: str(Path(cohort[key]).absolute()) for key in ("images", "root") if cohort.get(key)}
    config = build_config(StudyConfig, {**values, "cohort": {**cohort, **absolute}}, where="the command line")
    with atomic_folder(path) as temporary:
        write_text(temporary / "study.toml", to_toml(config, preset_name))
        Study.open(temporary)
    return {"study": str(path), "quarantined": len(quarantine), **report}


TABLE_ONLY = ("image_column", "subject_column", "label_column", "split_column")


def refuse_unused(cohort: CohortConfig, layout: str) -> None:
    """An option that the layout does not read is an `InputError`: a split that is ignored would train on controls."""
    if layout == "table":
        return
    fields = CohortConfig.model_fields
    unused = [name for name in TABLE_ONLY if getattr(cohort, name) != fields[name].default]
    if unused:
        options = ", ".join("--" + name.replace("_", "-") for name in unused)
        raise InputError(
            f"The layout {layout} does not read {options}", where="the command line", how="leave it out, or use a table"
        )


def to_toml(config: StudyConfig, preset_name: str) -> str:
    """`config` as TOML, each key with its meaning as a comment; keys that are None are left out."""
    import tomlkit

    document = tomlkit.document()
    document.add(tomlkit.comment(f"A study of unpersonal, from the preset {preset_name!r}. Unknown keys are refused."))
    _fill(document, config)
    return tomlkit.dumps(document)


def _fill(container: Any, model: BaseModel) -> None:
    import tomlkit

    for name, info in type(model).model_fields.items():
        value = getattr(model, name)
        if value is None:
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


__all__ = ["CohortConfig", "init_study", "to_toml"]
