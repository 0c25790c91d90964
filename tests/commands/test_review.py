"""`unpersonal review`: what it needs, and what it says."""

from __future__ import annotations

from pathlib import Path

from typer.testing import CliRunner

from tests.commands.conforming import conforms
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


def test_what_was_decided_is_one_document_and_the_link_stands_beside_it(tmp_path, monkeypatch):
    class Fresh:
        word = "fresh"

    class Opened:
        class context:
            figures = staticmethod(lambda stage: None)

        states = staticmethod(lambda until: {until: Fresh()})

    class Desk:
        mended, items = "", ["a"]
        counts = staticmethod(lambda: {"images": 1, "decided": 1, "removed": 0})

    def served(study, threshold, *, opened, **_):
        opened("http://127.0.0.1:1/", Desk())
        return Desk()

    monkeypatch.setattr("unpersonal.study.Study.open", lambda path: Opened())
    monkeypatch.setattr("unpersonal.report.review_server.serve_review", served)
    done = CliRunner().invoke(app, ["review", str(tmp_path), "--no-browser", "--json"])
    assert done.exit_code == 0 and conforms("review", done.stdout)["decided"] == 1
    assert "http://127.0.0.1:1/" in done.stderr and "http" not in done.stdout
    assert "http://127.0.0.1:1/" in CliRunner().invoke(app, ["review", str(tmp_path), "--no-browser"]).stdout


def test_without_its_extra_the_page_says_which_one_to_install():
    code = "from unpersonal.report.review_server import serve_review\nfrom pathlib import Path\n"
    code += "from unpersonal.commands.base import guarded\nimport typer\n"
    code += "app = typer.Typer()\n@app.command()\n@guarded\ndef go() -> None:\n"
    code += "    serve_review(Path('.'), None, opened=print)\napp()\n"
    done = without(["uvicorn", "starlette"], code=code)
    assert done.returncode == 2 and "unpersonal[review]" in done.stderr, done.stderr
