"""What every command keeps, those that will be added too: JSON, quiet and verbose, colours, exit codes, spelling."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from tests.commands.conforming import conforms
from unpersonal.cli import app
from unpersonal.commands.base import show
from unpersonal.commands.ends import codes_of
from unpersonal.core.errors import PolicyRefused
from unpersonal.core.verbosity import USUAL, set_verbosity

GROUP: Any = typer.main.get_command(app)
COMMANDS = sorted(GROUP.commands)
WRONG: dict[str, tuple[str, ...]] = {
    "audit": ("--train", "no", "--control", "no", "--synthetic", "no", "--out", "out", "--subject", "file"),
    "demo": ("file.txt",),
    "doctor": ("no",),
    "export": ("no", "out", "--to", "dicom"),
    "init": ("new", "--images", "no"),
    "match": ("no", "no"),
    "metrics": ("--real", "no", "--synthetic", "no"),
    "phantom": ("file.txt", "--subjects", "3"),
    "policy": ("no",),
    "review": ("no",),
    "run": ("no",),
    "schema": ("no",),
    "sign-off": ("no", "--name", "A", "--role", "B"),
    "status": ("no",),
    "utility": ("--train", "no", "--test", "no"),
    "verify": ("no",),
    "withdraw": ("no", "--reason", "R"),
}
"""What is wrong with the input, for each command."""


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "file.txt").write_text("x")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    for name in ("NO_COLOR", "FORCE_COLOR", "GITHUB_ACTIONS", "PY_COLORS"):
        monkeypatch.delenv(name, raising=False)
    yield
    set_verbosity(USUAL)


def invoke(*words: object):
    return CliRunner().invoke(app, [*map(str, words)])


def process(*words: str, **how: Any) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "unpersonal", *words]
    return subprocess.run(command, stderr=subprocess.PIPE, text=True, check=False, **how)


# ---- JSON ----


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("before", [False, True])
def test_a_wrong_input_is_one_document_and_one_message(command: str, before: bool) -> None:
    words = ("--json", command, *WRONG[command]) if before else (command, *WRONG[command], "--json")
    done = invoke(*words)
    assert done.exit_code == 2, (done.output, done.exception)
    error = conforms(command, done.stdout, code=2)["error"]
    assert error["kind"] == "input" and error["what"] in done.stderr and "Traceback" not in done.stderr
    plain = invoke(command, *WRONG[command])
    assert plain.exit_code == 2 and plain.stdout == "" and error["what"] in plain.stderr


@pytest.mark.parametrize("command", COMMANDS)
def test_so_is_an_option_that_does_not_exist(command: str) -> None:
    done = invoke(command, "--jsn", "--json")
    error = conforms(command, done.stdout, code=2)["error"]
    assert done.exit_code == 2 and "--jsn" in error["what"] and "--json" in error["what"]
    assert f"{command} --help" in error["how"]


def test_and_a_command_that_does_not_exist() -> None:
    done = invoke("verfy", "--json")
    assert "verify" in conforms("error", done.stdout, code=2)["error"]["what"] and done.exit_code == 2
    assert "Missing command" in conforms("error", invoke("--json").stdout, code=2)["error"]["what"]
    assert invoke("verfy").stdout == ""


@pytest.mark.parametrize(
    "words",
    [("doctor",), ("policy",), ("policy", "--profile", "internal"), ("phantom", "cohort", "--subjects", "2")],
)
def test_what_succeeds_is_one_document(words: tuple[str, ...]) -> None:
    done = invoke(*words, "--json")
    assert done.exit_code == 0 and done.stderr == ""
    conforms(words[0], done.stdout)


def test_what_was_shown_before_a_refusal_stands_beside_it_in_one_document(monkeypatch: pytest.MonkeyPatch) -> None:
    from unpersonal.commands.policy import told

    def refuse(_: object) -> Any:
        raise PolicyRefused(["too near"], "the policy refuses")

    def shown(*words: Any) -> Any:
        show(told(*words))
        raise PolicyRefused(["too near"], "the policy refuses")

    monkeypatch.setattr("unpersonal.commands.policy.told", shown)
    done = invoke("policy", "--json")
    found = conforms("policy", done.stdout, code=3)
    assert done.exit_code == 3 and found["profile"] == "open" and found["error"]["reasons"] == ["too near"]
    assert "  - too near" in done.stderr
    monkeypatch.setattr("unpersonal.commands.policy.lines", refuse)
    monkeypatch.setattr("unpersonal.commands.policy.told", told)
    assert invoke("policy").stdout == ""
    with pytest.raises(ValueError):
        conforms("policy", "nothing")


# ---- exit codes ----


@pytest.mark.parametrize("command", COMMANDS)
def test_help_tells_the_exit_codes(command: str) -> None:
    said = " ".join(invoke(command, "--help").stdout.split())
    for code, meaning in codes_of(command).items():
        assert f"{code} {meaning}" in said.replace("- ", "-"), (code, said)
    for option in ("--json", "--quiet", "--verbose"):
        assert option in said


def test_an_interruption_ends_with_130(monkeypatch: pytest.MonkeyPatch) -> None:
    def stopped(*_: object) -> Any:
        raise KeyboardInterrupt

    monkeypatch.setattr("unpersonal.commands.policy.told", stopped)
    done = invoke("policy", "--json")
    assert done.exit_code == 130 and len(done.stderr.splitlines()) == 1
    assert conforms("policy", done.stdout, code=130)["error"]["kind"] == "interrupted"


def test_a_bug_is_one_sentence_and_its_traceback_a_private_file(monkeypatch, tmp_path: Path) -> None:
    def broken(*_: object) -> Any:
        raise ValueError("sub-0001")

    monkeypatch.setattr("unpersonal.commands.policy.told", broken)
    done = invoke("policy", "--json")
    assert done.exit_code == 1 and len(done.stderr.splitlines()) == 1
    assert "sub-0001" not in done.output and "ValueError" in done.stderr and "Traceback" not in done.stderr
    assert conforms("policy", done.stdout, code=1)["error"]["kind"] == "bug"
    [file] = tmp_path.glob("unpersonal-error-*.txt")
    assert str(file) in done.stderr and "sub-0001" in file.read_text() and file.stat().st_mode & 0o77 == 0
    loud = invoke("-vv", "policy")
    assert loud.exit_code == 1 and "Traceback" in loud.stderr and len(list(tmp_path.glob("unpersonal-error-*"))) == 1


def test_a_bug_that_can_be_written_nowhere_is_told_at_once(monkeypatch, tmp_path: Path) -> None:
    monkeypatch.setattr("unpersonal.commands.policy.told", lambda *_: 1 / 0)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "absent"))
    done = invoke("policy")
    assert done.exit_code == 1 and "ZeroDivisionError" in done.stderr and "Traceback" in done.stderr


@pytest.mark.parametrize("words", [("policy", "--json"), ("--help",), ("policy", "--help")])
def test_an_output_that_takes_nothing(words: tuple[str, ...]) -> None:
    with open("/dev/full", "w") as full:
        done = process(*words, stdout=full)
    assert done.returncode == 2 and "No space left on device" in done.stderr and len(done.stderr.splitlines()) == 1
    reading, writing = os.pipe()
    os.close(reading)
    gone = process(*words, stdout=writing)
    os.close(writing)
    assert gone.returncode == 141 and gone.stderr == ""


def test_an_output_that_is_closed_is_told_before_anything_is_done(tmp_path: Path) -> None:
    command = f"{sys.executable} -m unpersonal phantom cohort --subjects 2 >&-"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False)
    assert done.returncode == 2 and len(done.stderr.splitlines()) == 1 and "closed" in done.stderr
    assert not (tmp_path / "cohort").exists()
    silent = subprocess.run(["bash", "-c", command.replace(">&-", "2>&-")], stdout=subprocess.PIPE, check=False)
    assert silent.returncode == 0 and b"2 subjects" in silent.stdout


# ---- colours ----

PLAIN = [{}, {"NO_COLOR": "1", "FORCE_COLOR": "1"}, {"TERM": "dumb", "FORCE_COLOR": "1"}, {"GITHUB_ACTIONS": "true"}]


@pytest.mark.parametrize("variables", PLAIN, ids=lambda found: "+".join(found) or "pipe")
@pytest.mark.parametrize("command", ["", *COMMANDS])
def test_no_escape_code_reaches_a_pipe(monkeypatch, command: str, variables: dict[str, str]) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    for words in ((command, "--help"), (command, "--no-such-option")):
        assert "\x1b" not in invoke(*filter(None, words)).output


def test_unless_it_is_asked_for(monkeypatch) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert "\x1b" in invoke("--help").stdout and "\x1b" in invoke("verfy").stderr
    assert "\x1b" not in invoke("policy", "--json").output


@pytest.mark.parametrize(
    ("variables", "coloured"),
    [
        ({}, True),
        ({"NO_COLOR": "1"}, False),
        ({"NO_COLOR": ""}, True),
        ({"TERM": "dumb"}, False),
        ({"NO_COLOR": "1", "FORCE_COLOR": "1"}, False),
    ],
)
def test_a_terminal_is_coloured_unless_it_is_forbidden(monkeypatch, capfd, variables, coloured: bool) -> None:
    from unpersonal.core.terminal import console

    monkeypatch.setenv("TERM", "xterm-256color")
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("unpersonal.core.terminal.is_shown", lambda file: True)
    console().print("[bold red]red[/]")
    said = capfd.readouterr().out
    assert "red" in said and ("\x1b" in said) == coloured


# ---- quiet and verbose ----


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("before", [False, True])
def test_every_command_is_quiet_or_verbose_and_not_both(command: str, before: bool) -> None:
    def given(*flags: str):
        return invoke(*flags, command, *WRONG[command]) if before else invoke(command, *WRONG[command], *flags)

    quiet, loud = given("-q"), given("--verbose")
    assert quiet.exit_code == loud.exit_code == 2 and quiet.stdout == loud.stdout == ""
    assert len(quiet.stderr.splitlines()) == 1 and f": {command}\n" in loud.stderr
    assert re.search(r"^[\d.]+ s$", loud.stderr, re.MULTILINE), loud.stderr
    both = given("-q", "-v")
    assert both.exit_code == 2 and "quiet and verbose" in both.stderr


def test_what_only_makes_something_says_nothing_where_it_is_quiet() -> None:
    done = invoke("phantom", "cohort", "--subjects", "2", "-q")
    assert done.exit_code == 0 and done.output == ""
    assert invoke("phantom", "other", "--subjects", "2").stdout
    assert "gate_miss_upper" in invoke("-q", "policy").stdout, "results are printed"


def test_quiet_silences_progress_and_the_log_of_a_run(capsys) -> None:
    from unpersonal.core.progress import console, tell
    from unpersonal.core.verbosity import DEBUG, QUIET, VERBOSE

    for level, said in ((QUIET, ""), (USUAL, "run\n"), (VERBOSE, "run\nfiles\n"), (DEBUG, "run\nfiles\n")):
        set_verbosity(level)
        console.print("run")
        tell("files")
        assert capsys.readouterr().err == said


# ---- spelling ----

HELP = {
    "--json": r"Print machine-readable results on stdout\.",
    "--quiet": r"Say nothing but results and errors\.",
    "--verbose": r"Say on stderr what is done, .*",
    "--device": r"auto, cpu, cuda or cuda:N\.",
    "--seed": r"Seed of .*",
    "--size": r"(Edge .* pixels.*|Edge at which pictures are compared.*)",
    "--subject": r"Who is on a picture.*|.*`subject`.*",
    "--out": r"Folder for .*",
    "--profile": r".*open.*",
    "--fit": r"How an image becomes square.*",
    "--layout": r".*laid out.*|.*[Ll]ayout.*",
    "--preset": r".*needs.*",
    "--modality": r".*\bct\b.*|.*CT.*",
    "--notice": r".*",
    "--control": r".*people.*",
    "--labels": r".*labels.*",
    "--key": r".*[Kk]ey \(PEM\).*",
    "--certificate-chain": r"Certificates .*may be repeated\.",
    "--train": r".*",
    "--synthetic": r".*[Ss]ynthetic.*",
}
"""Options of more than one command, and what each of their help texts says."""
SYNONYMS = {
    "--output", "--output-dir", "--out-dir", "--dest", "--random-seed", "--rng", "--gpu", "--cuda", "--resolution",
    "--image-size", "--patient", "--silent", "--debug", "--format-json", "--as-json", "--classes-from", "--png",
}  # fmt: skip


def options() -> dict[str, dict[str, str]]:
    """The help of every option by its command, for each option."""
    from unpersonal.cli import init
    from unpersonal.init_options import command_with_options

    found: dict[str, dict[str, str]] = {}
    for name in COMMANDS:
        command = command_with_options(init) if name == "init" else GROUP.commands[name]
        for parameter in command.params:
            for word in parameter.opts:
                if word.startswith("--") and word != "--help":
                    found.setdefault(word, {})[name] = parameter.help or ""
    return found


def test_options_of_one_meaning_are_spelled_and_explained_alike() -> None:
    found = options()
    shared = {word: helps for word, helps in found.items() if len(helps) > 1}
    assert set(shared) == set(HELP), set(shared) ^ set(HELP)
    for word, helps in shared.items():
        for command, text in helps.items():
            assert re.fullmatch(HELP[word], text, re.DOTALL), (word, command, text)
    assert not SYNONYMS & set(found)
    for word, helps in found.items():
        assert re.fullmatch(r"--[a-z][a-z0-9]*(-[a-z0-9]+)*", word)
        assert all(text.strip().endswith((".", ")")) for text in helps.values()), (word, helps)
    for word in ("--json", "--quiet", "--verbose"):
        assert set(found[word]) == set(COMMANDS)


@pytest.mark.parametrize(("typed", "meant"), [("verfy", "verify"), ("stauts", "status"), ("signoff", "sign-off")])
def test_a_mistyped_command_is_told_what_was_meant(typed: str, meant: str) -> None:
    done = invoke(typed)
    assert done.exit_code == 2 and f"'{meant}'" in done.stderr


@pytest.mark.parametrize("command", COMMANDS)
def test_a_mistyped_option_is_told_what_was_meant(command: str) -> None:
    longest = max((word for word, helps in options().items() if command in helps), key=len)
    done = invoke(command, longest[:-1] + "x")
    assert done.exit_code == 2 and longest in done.stderr.replace("\n", "")


def test_a_mistyped_key_is_told_what_was_meant(tmp_path: Path) -> None:
    (tmp_path / "study.toml").write_text("[policy]\ngate_mis_upper = 0.01\n")
    done = invoke("policy", tmp_path, "--json")
    assert "did you mean gate_miss_upper" in json.loads(done.stdout)["error"]["what"]
