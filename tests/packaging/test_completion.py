from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

CODE = "from unpersonal.cli import app\napp(prog_name='unpersonal')"
MARKS = {
    "bash": "complete -o default -F _unpersonal_completion unpersonal",
    "zsh": "#compdef unpersonal",
    "fish": "complete --command unpersonal",
}


def run(*words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", CODE, *words], capture_output=True, text=True, env=os.environ | environment, check=False
    )


@pytest.mark.parametrize("shell", MARKS)
def test_each_shell_gets_a_script_that_it_can_read(shell: str, tmp_path: Path) -> None:
    done = run(_UNPERSONAL_COMPLETE=f"source_{shell}")
    assert done.returncode == 0 and MARKS[shell] in done.stdout, done.stderr
    if found := shutil.which(shell):
        (tmp_path / "script").write_text(done.stdout, encoding="utf-8")
        read = subprocess.run([found, "-n", str(tmp_path / "script")], capture_output=True, text=True, check=False)
        assert read.returncode == 0, read.stderr


def test_the_shell_in_which_it_is_asked_gets_its_script() -> None:
    """Typer asks which process started it: a shell of ours."""
    command = f'"{sys.executable}" -c "{CODE}" --show-completion; true'
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False)
    assert MARKS["bash"] in done.stdout, done.stderr


def test_installing_writes_to_the_shell_s_own_place(tmp_path: Path) -> None:
    command = f'"{sys.executable}" -c "{CODE}" --install-completion; true'
    environment = os.environ | {"HOME": str(tmp_path)}
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, env=environment, check=False)
    assert "bash completion installed" in done.stdout, done.stderr
    written = (tmp_path / ".bash_completions" / "unpersonal.sh").read_text(encoding="utf-8")
    assert MARKS["bash"] in written and "unpersonal.sh" in (tmp_path / ".bashrc").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("unpersonal ver", "verify"),
        ("unpersonal run study --sh", "--shard"),
        ("unpersonal init study --subj", "--subject"),
        ("unpersonal audit --profile ", "agreement"),
        ("unpersonal init study --preset edm2-x", "edm2-xs"),
        ("unpersonal init study --layout k", "kermany"),
        ("unpersonal run study --until sy", "synthesis"),
        ("unpersonal export release out --to w", "webdataset"),
    ],
)
def test_commands_options_and_values_are_completed(line: str, found: str) -> None:
    environment = {"COMP_WORDS": line, "COMP_CWORD": str(len(line.split(" ")) - 1)}
    done = run(_UNPERSONAL_COMPLETE="complete_bash", **environment)
    assert found in done.stdout.split(), done.stdout + done.stderr
