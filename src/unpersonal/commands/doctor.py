"""`unpersonal doctor`: what this machine has, and what a preset would ask of it."""

from __future__ import annotations

import os
import platform
import shutil
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any

import typer

from .. import __version__
from ..core.errors import InputError
from ..core.extras import EXTRAS
from ..core.memory import GIB, memory_free
from .base import JsonFlag, show

SHOWN = ("torch", "monai", "numpy", "pydantic", "scikit-learn", "pandas", "pyarrow", "pydicom", "nibabel")
"""Packages whose version explains most surprises."""
THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")


def doctor(
    folder: Annotated[Path, typer.Argument(help="Where studies would lie: its disk is looked at.")] = Path("."),
    preset: Annotated[list[str] | None, typer.Option(help="What this preset needs; may be given again.")] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:N.")] = "auto",
    as_json: JsonFlag = False,
) -> None:
    """Say what this machine has (versions, devices, threads, memory, disk), and what a preset needs."""
    if not folder.is_dir():
        raise InputError("There is no such folder", where=str(folder), how="name the folder that will hold the studies")
    found = examine(folder, tuple(preset or ()), device)
    if as_json:
        show(found)
        return
    for line in told(found):
        typer.echo(line)


def examine(folder: Path, presets: tuple[str, ...] = (), device: str = "auto") -> dict[str, Any]:
    """What this machine has: plain JSON. Sizes are in bytes; `problems` is a sentence each, with how to mend it.

    A preset or a device that is none is an `InputError`; so is a preset where the extra `train` is missing.
    """
    disk = shutil.disk_usage(folder)
    found: dict[str, Any] = {
        "unpersonal": __version__,
        "python": platform.python_version(),
        "system": platform.platform(),
        "packages": {name: _version(name) for name in SHOWN},
        "extras": {extra: _missing(extra) for extra in EXTRAS},
        "cores": os.cpu_count(),
        "cores_usable": _usable(),
        "threads": {name: os.environ[name] for name in THREADS if name in os.environ},
        "memory_free_bytes": memory_free(),
        "disk": {"folder": str(folder.resolve()), "free_bytes": disk.free, "writable": os.access(folder, os.W_OK)},
        "devices": _devices(),
    }
    found["presets"] = {name: needs_of(name, folder, device) for name in presets}
    found["problems"] = problems_of(found)
    return found


def needs_of(name: str, folder: Path, device: str = "auto") -> dict[str, Any]:
    """What training and drawing by a preset need, as `unpersonal run --dry-run` tells of a study."""
    from ..core.extras import require
    from ..planning import training_needs
    from ..presets import preset
    from ..study import Study, StudyConfig

    tables = preset(name)
    require("train")
    config = StudyConfig.model_validate({**tables, "cohort": {**tables.get("cohort", {}), "images": str(folder)}})
    needs = training_needs(Study(folder / ".no-study", config, device))
    return {
        "size": config.images.size,
        "networks": needs["networks"],
        "peak_bytes": max(network["peak_bytes"] for network in needs["networks"].values()),
        "memory_bytes": needs["memory_bytes"],
        "device": needs["device"],
        "assumed": needs["assumed"],
    }


def problems_of(found: dict[str, Any]) -> list[str]:
    """What would be in the way, from what `examine` found."""
    problems = []
    if found["extras"]["train"]:
        problems.append("studies cannot be run, only releases checked: pip install 'unpersonal[train]'")
    if not found["disk"]["writable"]:
        problems.append(f"{found['disk']['folder']} cannot be written: choose another folder")
    problems += [
        f"the preset {name} needs {need['peak_bytes'] / GIB:.1f} GiB, {need['device']} has "
        f"{need['memory_bytes'] / GIB:.1f}: raise diffusion.accumulation, or lower diffusion.batch"
        for name, need in found["presets"].items()
        if need["peak_bytes"] > need["memory_bytes"]
    ]
    return problems


def told(found: dict[str, Any]) -> list[str]:
    """The lines that a person reads."""
    packages = ", ".join(f"{name} {value}" for name, value in found["packages"].items() if value)
    threads = ", ".join(f"{name}={value}" for name, value in found["threads"].items()) or "not limited"
    lines = [
        f"unpersonal  {found['unpersonal']}, Python {found['python']}, {found['system']}",
        f"packages    {packages}",
        *(f"extra       {extra}: {_state(missing)}" for extra, missing in found["extras"].items()),
        f"cores       {found['cores_usable']} of {found['cores']}; threads {threads}",
        f"memory      {found['memory_free_bytes'] / GIB:.1f} GiB free",
        f"disk        {found['disk']['free_bytes'] / GIB:.1f} GiB free in {found['disk']['folder']}",
        *(f"device      {each['name']}, {each['what']}" for each in found["devices"]),
    ]
    for name, need in found["presets"].items():
        peak, has = need["peak_bytes"] / GIB, need["memory_bytes"] / GIB
        steps = ", ".join(f"{network} {each['steps']:,} steps" for network, each in need["networks"].items())
        lines.append(f"preset      {name}: {need['size']} px, {peak:.1f} of {has:.1f} GiB of {need['device']}; {steps}")
    return [*lines, "", *(f"problem: {each}" for each in found["problems"] or ["none found"])]


def _state(missing: list[str]) -> str:
    return "installed" if not missing else f"lacks {', '.join(missing)}"


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _missing(extra: str) -> list[str]:
    """Modules of an extra that cannot be found; nothing is imported."""
    return [module for module in EXTRAS[extra] if find_spec(module) is None]


def _usable() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _devices() -> list[dict[str, str]]:
    if find_spec("torch") is None:
        return [{"name": "cpu", "what": "torch is not installed: pip install 'unpersonal[train]'"}]
    import torch

    found = [{"name": "cpu", "what": f"{torch.get_num_threads()} threads"}]
    for number in range(torch.cuda.device_count() if torch.cuda.is_available() else 0):
        what = torch.cuda.get_device_properties(number)
        found.append({"name": f"cuda:{number}", "what": f"{what.name}, {what.total_memory / GIB:.0f} GiB"})
    return found
