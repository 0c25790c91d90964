from __future__ import annotations

import os
import subprocess
import sys
import tarfile
import zipfile
from email.message import Message
from email.parser import Parser
from pathlib import Path

import pytest
import tomlkit

from tests.packaging.conftest import ROOT, build
from unpersonal import __version__
from unpersonal.core.extras import EXTRAS

Archives = dict[str, Path]


@pytest.fixture(scope="session")
def names(archives: Archives) -> set[str]:
    return set(zipfile.ZipFile(archives["wheel"]).namelist())


@pytest.fixture(scope="session")
def metadata(archives: Archives) -> Message:
    with zipfile.ZipFile(archives["wheel"]) as wheel:
        return Parser().parsestr(wheel.read(f"unpersonal-{__version__}.dist-info/METADATA").decode())


def test_the_index_would_take_both(archives: Archives) -> None:
    words = [sys.executable, "-m", "twine", "--no-color", "check", "--strict", *map(str, archives.values())]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0 and done.stdout.count("PASSED") == 2, done.stdout


def test_the_wheel_holds_the_package_and_nothing_else(names: set[str]) -> None:
    tracked = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard", "src/unpersonal"], cwd=ROOT, capture_output=True, text=True
    )
    if tracked.returncode:
        there = {
            path.relative_to(ROOT).as_posix()
            for path in (ROOT / "src" / "unpersonal").rglob("*")
            if path.is_file() and "__pycache__" not in path.parts
        }
    else:
        there = set(tracked.stdout.split())
    package = {name.removeprefix("src/") for name in there}
    about = {
        f"unpersonal-{__version__}.dist-info/{name}"
        for name in ("METADATA", "WHEEL", "RECORD", "entry_points.txt", "licenses/LICENSE")
    }
    assert names == package | about
    assert {
        "unpersonal/py.typed",
        "unpersonal/release/templates/card.md",
        "unpersonal/report/static/review.js",
    } <= names
    assert any(name.startswith("unpersonal/release/schema/") for name in names)


def test_the_source_archive_builds_and_tests_itself_and_holds_no_leftovers(archives: Archives) -> None:
    with tarfile.open(archives["sdist"]) as archive:
        inside = {name.split("/", 1)[1] for name in archive.getnames()}
    wanted = [
        "pyproject.toml",
        "constraints.txt",
        "LICENSE",
        "CITATION.cff",
        "tests/conftest.py",
        "docs/packaging.md",
        "src/unpersonal/py.typed",
    ]
    assert set(wanted) <= inside
    assert not [name for name in inside if "__pycache__" in name or name.endswith((".pyc", ".safetensors.tmp"))]


def test_the_metadata_say_who_may_use_it_and_where(metadata: Message) -> None:
    assert metadata["License-Expression"] == "Apache-2.0" and metadata.get_all("License-File") == ["LICENSE"]
    assert metadata["Requires-Python"] == ">=3.10" and metadata["Version"] == __version__
    classifiers = set(metadata.get_all("Classifier", []))
    assert {
        "Typing :: Typed",
        "Programming Language :: Python :: 3.10",
        "Programming Language :: Python :: 3.13",
    } <= classifiers
    assert not [line for line in classifiers if line.startswith("License ::")], "the expression says it"
    assert metadata["Description-Content-Type"] == "text/markdown" and metadata["Summary"]
    assert metadata.get_all("Project-URL"), "no link at all"
    assert set(metadata.get_all("Provides-Extra", [])) >= {*EXTRAS, "dev"}


def test_every_requirement_states_the_oldest_version_that_was_run() -> None:
    project = tomlkit.parse((ROOT / "pyproject.toml").read_text(encoding="utf-8")).unwrap()["project"]
    asked = [*project["dependencies"], *(line for name in EXTRAS for line in project["optional-dependencies"][name])]
    assert not [line for line in asked if ">=" not in line]


def test_two_builds_have_the_same_bytes(archives: Archives, tmp_path: Path) -> None:
    again = build(tmp_path)
    assert {kind: path.read_bytes() for kind, path in again.items()} == {
        kind: path.read_bytes() for kind, path in archives.items()
    }


@pytest.fixture(scope="session")
def installed(archives: Archives, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment of which the wheel is all; its interpreter."""
    place = tmp_path_factory.mktemp("environment")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(place)], check=True)
    (site,) = place.glob("lib/python*/site-packages")
    zipfile.ZipFile(archives["wheel"]).extractall(site)
    return place / "bin" / "python"


CONSUMER = """
from unpersonal.core.errors import InputError

error = InputError("what", where="where", how="how")
reveal_type(error)
wrong: int = error
"""


def test_a_type_checker_of_whoever_uses_it_reads_its_types(installed: Path, tmp_path: Path) -> None:
    (tmp_path / "consumer.py").write_text(CONSUMER, encoding="utf-8")
    words = [sys.executable, "-m", "mypy", "--python-executable", str(installed), "--config-file=", "consumer.py"]
    environment = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "MYPYPATH")}
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, env=environment, check=False)
    assert 'Revealed type is "unpersonal.core.errors.InputError"' in done.stdout, done.stdout
    assert "Incompatible types in assignment" in done.stdout and "import-untyped" not in done.stdout
