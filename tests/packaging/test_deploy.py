from __future__ import annotations

import re
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from tests.packaging.conftest import ROOT
from tests.packaging.lines import calls, parse
from unpersonal.core.parts import Shard
from unpersonal.study import stage_list

DEPLOY = ROOT / "deploy"
SCRIPTS = sorted(DEPLOY.rglob("*.sh"))
IMAGE, DEFINITION = ROOT / "Dockerfile", DEPLOY / "unpersonal.def"
TOOLS = Path(sys.executable).parent


def linted(tool: str, *words: object) -> str:
    done = subprocess.run([TOOLS / tool, *map(str, words)], capture_output=True, text=True, check=False)
    return "" if done.returncode == 0 else done.stdout + done.stderr or f"exit {done.returncode}"


def section(name: str) -> str:
    found = re.search(rf"^%{name}\n(.*?)(?=^%|\Z)", DEFINITION.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
    assert found, name
    return textwrap.dedent(found[1])


def test_the_shell_scripts_are_clean() -> None:
    assert len(SCRIPTS) == 5
    assert linted("shellcheck", *SCRIPTS, ROOT / ".ci" / "run") == ""


def test_the_linters_find_what_is_wrong(tmp_path: Path) -> None:
    (tmp_path / "bad.sh").write_text("#!/bin/bash\nrm -r $1/*\n", encoding="utf-8")
    (tmp_path / "Dockerfile").write_text("FROM python:latest\nRUN pip install torch\n", encoding="utf-8")
    assert "SC2086" in linted("shellcheck", tmp_path / "bad.sh")
    assert "DL3007" in linted("hadolint", tmp_path / "Dockerfile")


def test_the_image_is_clean_pinned_and_nobody_s_root() -> None:
    assert linted("hadolint", IMAGE) == ""
    text = IMAGE.read_text(encoding="utf-8")
    bases = re.findall(r"^FROM (\S+)", text, re.MULTILINE)
    assert bases and all(re.fullmatch(r"python:3\.\d+\.\d+-slim-\w+", base) for base in bases)
    assert re.findall(r"^USER (.*)", text, re.MULTILINE)[-1] not in ("root", "0")
    assert text.index("--index-url") < text.index("[${EXTRAS}]"), "torch comes first"


def test_the_builder_is_sent_what_the_image_copies_and_nothing_else() -> None:
    sent = (ROOT / ".dockerignore").read_text(encoding="utf-8").split("\n")
    assert sent[1] == "*"
    copied = re.findall(r"^COPY (?!--from)(.*) \S+$", IMAGE.read_text(encoding="utf-8"), re.MULTILINE)
    assert {f"!{name}" for line in copied for name in line.split()} == {line for line in sent if line.startswith("!")}


@pytest.mark.parametrize("name", ["post", "environment", "runscript", "test"])
def test_the_scripts_of_the_apptainer_image_are_clean(name: str, tmp_path: Path) -> None:
    (tmp_path / "script.sh").write_text("#!/bin/sh\n" + section(name), encoding="utf-8")
    assert linted("shellcheck", tmp_path / "script.sh") == ""


def test_the_apptainer_image_copies_files_that_are_there() -> None:
    sources = [line.split()[0] for line in section("files").splitlines() if line.strip()]
    assert sources and all((ROOT / name).exists() for name in sources)


@pytest.mark.parametrize("path", [IMAGE, DEFINITION, *SCRIPTS], ids=lambda path: path.name)
def test_each_says_that_it_was_not_tried_where_it_was_written(path: Path) -> None:
    head = "".join(path.read_text(encoding="utf-8").splitlines(keepends=True)[:3])
    assert re.search(r"^# Not (built|tried)", head, re.MULTILINE)


PAGES = [*SCRIPTS, ROOT / "docs" / "packaging.md", ROOT / "docs" / "scaling.md", ROOT / "SECURITY.md"]
CALLS = [(path.name, words) for path in PAGES for words in calls(path.read_text(encoding="utf-8"))]


@pytest.mark.parametrize(("name", "words"), CALLS, ids=[f"{name}: {' '.join(words)[:40]}" for name, words in CALLS])
def test_every_call_is_one_that_the_command_line_takes(name: str, words: list[str]) -> None:
    parse(words)
    if "--shard" in words:
        Shard.parse(words[words.index("--shard") + 1])
    if "--until" in words:
        assert words[words.index("--until") + 1] in [stage.name for stage in stage_list()]


def test_the_scripts_call_what_a_study_needs() -> None:
    called = [" ".join(words) for path in SCRIPTS for words in calls(path.read_text(encoding="utf-8"))]
    assert sorted(called) == ["run study", "run study", "run study --shard 3/16", "run study --until judges"]


@pytest.mark.parametrize("words", [["run", "study", "--shrad", "1/2"], ["rum", "study"], ["verify"]])
def test_a_call_that_is_none_is_noticed(words: list[str]) -> None:
    with pytest.raises(Exception, match=r"(?i)no such|missing"):
        parse(words)
