"""A light install: what a recipient needs runs without torch and its like; any other command names its extra."""

from __future__ import annotations

import re
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

from tests.commands.light import HEAVY, without
from unpersonal.core.errors import InputError
from unpersonal.core.extras import EXTRAS, extra_of, missing_extra, refuse_missing
from unpersonal.phantom.write import write_phantom

PROJECT = Path(__file__).parents[2] / "pyproject.toml"
SUBJECT = r"(?P<subject>sub-\d+)"


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pictures")
    write_phantom(folder / "png", subjects=4, seed=0, size=32)
    write_phantom(folder / "dicom", subjects=4, seed=0, size=32, fmt="dicom")
    write_phantom(folder / "nifti", subjects=2, seed=0, size=32, modality="mri")
    return folder


@pytest.mark.parametrize("words", [(), ("--help",), ("--version",), ("verify", "--help"), ("init", "--help")])
def test_what_is_light_needs_no_extra(words: tuple[str, ...]) -> None:
    done = without(HEAVY, *words)
    assert "Traceback" not in done.stderr and done.returncode == (0 if words else 2)


def test_the_package_and_what_a_recipient_reads_need_no_extra() -> None:
    code = "import unpersonal, unpersonal.release.verify, unpersonal.release.policy\nprint(unpersonal.verify_release)\n"
    done = without(HEAVY, code=code)
    assert done.returncode == 0 and "function verify_release" in done.stdout, done.stderr


COMMANDS = {
    "init": ("init", "study", "--images", "png", "--subject", SUBJECT, "--label-from", "folder"),
    "demo": ("demo", "demo"),
    "match": ("match", "png", "nifti"),
    "metrics": ("metrics", "--real", "png", "--synthetic", "png"),
    "utility": ("utility", "--train", "png", "--test", "png", "--labels", "folder"),
    "audit": (
        "audit",
        *("--train", "png", "--control", "png", "--synthetic", "png", "--out", "out"),
        "--subject",
        "file",
    ),
}


@pytest.mark.parametrize("words", COMMANDS.values(), ids=COMMANDS)
def test_a_command_without_its_extra_names_it(pictures: Path, words: tuple[str, ...]) -> None:
    done = without(HEAVY, *words, cwd=pictures)
    assert done.returncode == 2 and "Traceback" not in done.stderr
    assert "pip install 'unpersonal[train]'" in done.stderr


@pytest.mark.parametrize(("extra", "folder"), [("dicom", "dicom"), ("nifti", "nifti")])
def test_files_that_nothing_here_can_read_are_not_called_damaged(pictures: Path, extra: str, folder: str) -> None:
    done = without(EXTRAS[extra], "init", "study", "--images", folder, cwd=pictures)
    assert done.returncode == 2 and f"unpersonal[{extra}]" in done.stderr and "unreadable" not in done.stderr


def test_every_command_is_guarded() -> None:
    """Also those that do not exist yet: whatever module is missing, no traceback."""
    from unpersonal.cli import app

    for command in app.registered_commands:
        assert hasattr(command.callback, "__wrapped__"), command.name


@pytest.mark.parametrize(
    ("error", "extra"),
    [
        (ModuleNotFoundError("No module named 'torch.nn'", name="torch.nn"), "train"),
        (ImportError("blocked nibabel"), "nifti"),
        (ModuleNotFoundError("No module named 'unpersonal.lost'", name="unpersonal.lost"), None),
        (ImportError("cannot import name 'x' from 'unpersonal.y'"), None),
    ],
)
def test_only_what_an_extra_brings_is_said_to_be_missing(error: ImportError, extra: str | None) -> None:
    assert extra_of(error) == extra and (missing_extra(error) is None) == (extra is None)
    refuse_missing(ValueError("torch"))
    if extra:
        with pytest.raises(InputError, match=rf"unpersonal\[{extra}\]"):
            refuse_missing(error)


def test_the_table_of_extras_is_that_of_the_package() -> None:
    """Each module belongs to a distribution that the extra asks for, and none to one of the base."""
    text = PROJECT.read_text(encoding="utf-8")
    base = set(re.findall(r'"([\w-]+)>=', text.split("\ndependencies = [")[1].split("]")[0]))
    assert {"numpy", "jsonschema"} <= base and not base & {"torch", "monai", "scikit-learn", "pandas", "scipy"}
    listed = text.split("[project.optional-dependencies]")[1].split("\n[")[0]
    assert set(re.findall(r"^([\w-]+) = ", listed, re.MULTILINE)) - {"dev", "docs"} == set(EXTRAS)
    owners = packages_distributions()
    for extra, modules in EXTRAS.items():
        asked = re.search(rf"^{extra} = \[(.*?)\]$", text, re.MULTILINE | re.DOTALL)
        assert asked, extra
        names = {_plain(name) for name in re.findall(r'"([\w-]+)>=', asked[1])}
        for module in modules:
            owned = {_plain(name) for name in owners.get(module, ())}
            assert not owned or owned & names or module == "huggingface_hub", (extra, module, owned)
            assert not owned & {_plain(name) for name in base}


def test_the_command_line_loads_nothing_that_only_a_command_needs():
    """Of the base too: configuration, pictures and schemas take longer to load than all else."""
    code = "import sys, unpersonal.cli\nprint({'pydantic', 'PIL', 'jsonschema', 'tomlkit'} & set(sys.modules))"
    assert without((), code=code).stdout.strip() == "set()"


def _plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
