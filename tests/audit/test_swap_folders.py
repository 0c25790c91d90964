"""A swap of folders, by the command line as well."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from unpersonal.audit import AuditConfig
from unpersonal.audit.swap_folders import audit_swap_folders
from unpersonal.audit.swap_joined import PROCEDURE
from unpersonal.cli import app
from unpersonal.core.errors import InputError

SMALL = AuditConfig(permutations=999, size=16, components=16, planted_copies=20, kind_copies=1, network_steps=20)
SUBJECT = r"(?P<subject>sub-\w+)_"


@pytest.fixture
def folders(tmp_path: Path, phantoms: tuple[np.ndarray, ...]) -> Path:
    """Two halves of 50 people, the auditor's own 100, and two releases of people who are in none of them."""
    images, subjects, _ = phantoms
    names = np.unique(subjects)
    parts = {"a": (0, 50), "b": (50, 100), "aux": (100, 200), "first": (200, 220), "second": (220, 240)}
    for name, (start, end) in parts.items():
        (tmp_path / name).mkdir()
        for row in np.flatnonzero(np.isin(subjects, names[start:end])):
            Image.fromarray(images[row, 0]).save(tmp_path / name / f"{subjects[row]}_{row}.png")
    return tmp_path


@pytest.mark.slow
def test_two_releases_are_audited_as_one_procedure(folders: Path) -> None:
    halves, releases = (folders / "a", folders / "b"), (folders / "first", folders / "second")
    out = folders / "out"
    result = audit_swap_folders(halves, releases, folders / "aux", SUBJECT, out, seed=1, size=32, config=SMALL)
    written = json.loads((out / "audit.json").read_text())
    assert written == json.loads(json.dumps(result.figures.to_json()))
    assert written["verdict"] == result.verdict != "fail"
    assert PROCEDURE in written["claim"] and written["swap"]["people"] == 100
    assert [side["side"] for side in written["reading"]["sides"]].count("synthetic (swap)") == 1
    assert "sub-" not in (out / "audit.json").read_text() and (out / "report.md").is_file()
    assert (out / "attempts.jsonl").is_file()


@pytest.mark.parametrize(
    "option", [[], ["--auxiliary", "aux", "--sealed", "0.5"], ["--auxiliary", "aux", "--open-seal"]]
)
def test_what_a_swap_cannot_take_is_refused(folders: Path, option: list[str]) -> None:
    paths = {"--train": "a", "--control": "b", "--synthetic": "first", "--swap": "second", "--out": "out"}
    arguments = [word for name, value in paths.items() for word in (name, str(folders / value))]
    given = [str(folders / word) if word == "aux" else word for word in option]
    ended = CliRunner().invoke(app, ["audit", *arguments, "--subject", SUBJECT, *given])
    assert ended.exit_code == 2 and not (folders / "out").exists()


def test_people_of_both_halves_are_refused(folders: Path) -> None:
    halves, releases = (folders / "a", folders / "a"), (folders / "first", folders / "second")
    with pytest.raises(InputError, match="in both"):
        audit_swap_folders(halves, releases, folders / "aux", SUBJECT, folders / "out", size=32, config=SMALL)
