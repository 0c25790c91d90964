"""The wheel in fresh environments: `python -m benchmarks.clean_installs WHEEL --out rows.jsonl --python PATH`.

Needs `uv` on the path (`pip install uv`). For each Python and each `--extra` (`base` is none) a virtual environment is
made, the wheel is installed with the newest or (`--resolution lowest-direct`) the oldest packages that its metadata
allow, and `benchmarks/clean_install_smoke.py` runs there. One row an environment; a row that is there is not measured
again. `--constraint torch==2.13.0` holds a package; `UV_FIND_LINKS` names a folder of wheels. The environment is
removed after.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from email.parser import Parser
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement

from unpersonal.core.extras import EXTRAS
from unpersonal.core.hashing import sha256_file

from .rows import Row, Rows

SMOKE = Path(__file__).with_name("clean_install_smoke.py")
SHOWN = ("numpy", "pydantic", "torch")
PARTNERS = {"dp": ("train", "dp")}
"""Extras that only add to another."""


def requirements(wheel: Path, extras: tuple[str, ...]) -> list[str]:
    """What the wheel asks for itself: uv lowers only what it is given by name."""
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        lines = Parser().parsestr(archive.read(name).decode()).get_all("Requires-Dist", [])
    found = [Requirement(line) for line in lines]
    asked = [
        each for each in found if each.marker is None or any(each.marker.evaluate({"extra": name}) for name in extras)
    ]
    return [f"{each.name}{each.specifier}" for each in asked]


def measure(wheel: Path, python: str, extra: str, resolution: str, constraints: list[str], release: Path | None) -> Row:
    """Install and smoke-test; the result names what failed instead of raising."""
    extras = () if extra == "base" else PARTNERS.get(extra, (extra,))
    with tempfile.TemporaryDirectory(prefix="clean-install-") as folder:
        place = Path(folder)
        (place / "held.txt").write_text("".join(f"{line}\n" for line in constraints), encoding="utf-8")
        _call(place, "uv", "venv", "--no-project", "--python", python, "--seed", "venv")
        inside = place / "venv" / "bin" / "python"
        wanted = f"{wheel}[{','.join(extras)}]" if extras else str(wheel)
        named = requirements(wheel, extras) if resolution != "highest" else []
        options = ("--python", str(inside), "--resolution", resolution, "--only-binary", ":all:", "-c", "held.txt")
        done = _call(place, "uv", "pip", "install", *options, wanted, *named)
        size = sum(path.lstat().st_size for path in (place / "venv").rglob("*")) / 1e6
        if done.returncode:
            return {"ok": False, "failed": "install", "why": done.stderr.strip()[-600:], "mb": round(size)}
        words = [str(inside), "-I", str(SMOKE), *extras, *(("--release", str(release)) if release else ())]
        done = _call(place, *words)
        try:
            told: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
        except (IndexError, ValueError):
            told = {"ok": False, "failed": "smoke", "why": done.stderr.strip()[-600:]}
        return told | {"mb": round(size)}


def _call(place: Path, *words: str) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    return subprocess.run(words, cwd=place, capture_output=True, text=True, env=environment, check=False)


def line(row: Row) -> str:
    """A row of the table."""
    key, versions = row["key"], row.get("versions", {})
    found = " | ".join(versions.get(name, "–") for name in SHOWN)
    word = ", ".join(row["steps"]) if row["ok"] else f"**failed: {row['failed']}**"
    return (
        f"| {versions.get('python', key['python'])} | {key['extra']} | {key['resolution']} | {found} | "
        f"{row['mb']} | {row['seconds']:.0f} | {word} |"
    )


def main() -> int:
    """Measure what is not in the file, print the table; 1 if an environment failed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("wheel", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--python", action="append", default=[], help="an interpreter; may be repeated")
    parser.add_argument("--extra", action="append", default=[], choices=["base", *EXTRAS], help="may be repeated")
    parser.add_argument("--resolution", choices=["highest", "lowest-direct"], default="highest")
    parser.add_argument("--constraint", action="append", default=[], help="as in a constraints file")
    parser.add_argument("--release", type=Path, help="a release that `verify` is to find intact")
    given = parser.parse_args()
    if shutil.which("uv") is None:
        parser.error("uv is not on the path: pip install uv")
    rows = Rows(given.out)
    wheel = given.wheel.resolve()
    digest = sha256_file(wheel)[:12]
    for python in given.python or [sys.executable]:
        for extra in given.extra or ["base", *EXTRAS]:
            key = {"python": python, "extra": extra, "resolution": given.resolution, "held": given.constraint}

            def work(python: str = python, extra: str = extra) -> Row:
                return measure(wheel, python, extra, given.resolution, given.constraint, given.release)

            row = rows.measured(work, wheel=digest, **key)
            print(line(row) + ("" if row["ok"] else f"\n{row.get('why', '')}"), flush=True)
    return int(any(not row["ok"] for row in rows.all()))


if __name__ == "__main__":
    sys.exit(main())
