"""What one fresh environment must be able to do: `python -I clean_install_smoke.py [EXTRA…] [--release RELEASE]`.

Runs inside that environment, with the standard library and the installed package alone. Prints one line of JSON.
"""

from __future__ import annotations

import argparse
import importlib
import json
import platform
import subprocess
import sys
import tempfile
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

COMMAND = str(Path(sys.executable).with_name("unpersonal"))
CARRIED = (
    "numpy",
    "pillow",
    "pydantic",
    "typer",
    "rich",
    "tomlkit",
    "jsonschema",
    "torch",
    "pandas",
    "pyarrow",
    "monai",
)
SUBJECT = r"(?P<subject>sub-\d+)"


class Failed(Exception):
    """A step did not do what it should."""


def cli(*words: str, ends: tuple[int, ...] = (0,), at: Path | None = None) -> str:
    """Run the installed command; its standard output."""
    done = subprocess.run([COMMAND, *words], capture_output=True, text=True, cwd=at, check=False)
    if done.returncode not in ends:
        raise Failed(f"unpersonal {' '.join(words)}: exit {done.returncode}: {done.stderr.strip()[-500:]}")
    return done.stdout


def base(place: Path, release: Path | None) -> None:
    """Import, help (that of `init` is made of the configuration), version, policy, verify where a release is given."""
    package = importlib.import_module("unpersonal")
    if "site-packages" not in str(package.__file__):
        raise Failed(f"not the installed package: {package.__file__}")
    cli("--help")
    for command in ("init", "run", "audit", "export", "verify"):
        cli(command, "--help")
    if cli("--version").strip() != package.__version__:
        raise Failed("--version is not the package's")
    json.loads(cli("policy", "--json"))
    json.loads(cli("doctor", "--json"))
    if release is not None:
        cli("verify", str(release))


def train(place: Path, release: Path | None) -> None:
    """A tiny study, the whole way; so few people cannot pass, and the policy must say so.

    Of 200 people ten or more train people have each finding of the phantom.
    """
    cli("phantom", "people", "--subjects", "200", "--size", "32", at=place)
    cli(
        *("init", "study", "--images", "people", "--subject", SUBJECT, "--label-from", "folder", "--preset", "tiny"),
        at=place,
    )
    cli("run", "study", ends=(3,), at=place)
    if not (place / "study" / "report.html").is_file():
        raise Failed("no report.html")


def exported(form: str) -> Callable[[Path, Path | None], None]:
    """A release in another form."""

    def step(place: Path, release: Path | None) -> None:
        if release is not None:
            cli("export", str(release), str(place / form), "--to", form)

    return step


def modules(extra: str) -> None:
    """Import every module that the extra brings."""
    from unpersonal.core.extras import EXTRAS

    for module in EXTRAS[extra]:
        importlib.import_module(module)


WORK: dict[str, Callable[[Path, Path | None], None]] = {
    "train": train,
    "dicom": exported("dicom"),
    "nifti": exported("nifti"),
}


def main() -> None:
    """Every step, in order; the first that fails is named."""
    parser = argparse.ArgumentParser()
    parser.add_argument("extras", nargs="*")
    parser.add_argument("--release", type=Path)
    given = parser.parse_args()
    versions = {"python": platform.python_version()}
    for name in CARRIED:
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            continue
    steps: list[str] = []
    step = "base"
    try:
        with tempfile.TemporaryDirectory() as folder:
            base(Path(folder), given.release)
            steps.append("base")
            for step in given.extras:
                modules(step)
                if step in WORK:
                    WORK[step](Path(folder), given.release)
                steps.append(step)
        told = {"ok": True, "steps": steps}
    except Exception as error:
        told = {"ok": False, "failed": step, "why": f"{type(error).__name__}: {error}", "steps": steps}
    print(json.dumps(told | {"versions": versions}))


if __name__ == "__main__":
    main()
