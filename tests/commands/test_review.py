"""`unpersonal review`: what it needs, and what it says."""

from __future__ import annotations

from pathlib import Path

from typer.testing import CliRunner

from tests.commands.light import without
from tests.studies import call
from unpersonal.cli import app
from unpersonal.phantom.write import write_phantom

SUBJECT = r"(?P<subject>sub-\d+)"


def new_study(folder: Path) -> Path:
    write_phantom(folder / "images", subjects=60, seed=0, size=32, findings=("No Finding", "Pleural Effusion"))
    words = ("--images", folder / "images", "--layout", "folder", "--subject", SUBJECT, "--preset", "tiny")
    done = call("init", folder / "study", *words)
    assert done.returncode == 0, done.stderr
    return folder / "study"


def test_there_is_nothing_to_review_or_sign_before_a_run(tmp_path):
    study = new_study(tmp_path)
    for words, said in (
        (["review", str(study), "--no-browser"], "There is nothing to review yet"),
        (["sign-off", str(study), "--name", "A", "--role", "officer"], "There is nothing to sign yet"),
        (["review", str(tmp_path)], "This folder is no study"),
    ):
        done = CliRunner().invoke(app, words)
        assert done.exit_code == 2 and said in done.stderr, done.output
    assert not list(study.glob("*.jsonl"))


def test_without_its_extra_the_page_says_which_one_to_install():
    code = "from unpersonal.report.review_server import serve_review\nfrom pathlib import Path\n"
    code += "from unpersonal.commands.base import guarded\nimport typer\n"
    code += "app = typer.Typer()\n@app.command()\n@guarded\ndef go() -> None:\n"
    code += "    serve_review(Path('.'), None, opened=print)\napp()\n"
    done = without(["uvicorn", "starlette"], code=code)
    assert done.returncode == 2 and "unpersonal[review]" in done.stderr, done.stderr
