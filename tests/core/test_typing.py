"""What a user's type checker knows of the public names."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import unpersonal

REVEALED = {
    "Study.open('x')": "unpersonal.study.Study",
    "Study.open('x').run(progress=tell)": "unpersonal.report.summary.Summary",
    "Study.open('x').run()['audit']": "Any",
    "Study.open('x').config.images.size": "int",
    "Study.open('x').states()": "dict[str, unpersonal.engine.State]",
    "init_study('x', Path('y'), layout='folder', slice_step=2, progress=tell)": "unpersonal.study.Study",
    "init_study('x', 'y').understanding.subjects": "int",
    "demo()": "unpersonal.report.summary.Summary",
    "audit('a', 'b', 'c', out='d', profile='open').verdict": "Literal['pass'",
    "match('a', 'b').refused": "tuple[unpersonal.match_result.MatchRow, ...]",
    "metrics('a', 'b').fid": "float | None",
    "utility('a', ['b', 'c']).cells": "unpersonal.utility.matrix_figures.",
    "verify('x').state": "str",
    "verify_release": "def (path: pathlib.Path) -> list[str]",
    "export('x', 'y', to='nifti').images": "int",
    "phantom('x', subjects=3)": "int",
    "audit_images": "unpersonal.audit.result.AuditResult",
    "wilson": "def (",
    "InputError('x').what": "str",
    "PolicyRefused([]).reasons": "list[str]",
    "__version__": "str",
}
"""Expressions, and what their type says among other things."""
HEAD = """from pathlib import Path
from unpersonal import {names}
from unpersonal.audit import audit_images
from unpersonal.metrics import wilson
def tell(event: Progress) -> None:
    reveal_type(event.done)
"""


@pytest.mark.slow
def test_every_public_name_is_there():
    for name in unpersonal.__all__:
        assert getattr(unpersonal, name) is not None, name
        assert getattr(unpersonal, name) is getattr(unpersonal, name)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = unpersonal.nothing


@pytest.mark.slow
def test_a_users_type_checker_is_told_the_types(tmp_path):
    names = ", ".join(name for name in unpersonal.__all__)
    lines = [HEAD.format(names=names), *(f"reveal_type({expression})" for expression in REVEALED)]
    (tmp_path / "mine.py").write_text("\n".join(lines) + "\n")
    words = ("--strict", "--follow-imports=silent", "--ignore-missing-imports", "--config-file=", "mine.py")
    source = str(Path(unpersonal.__file__).parents[1])
    done = subprocess.run(
        [sys.executable, "-m", "mypy", *words],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        env={"MYPYPATH": source, "PATH": "/usr/bin:/bin", "HOME": str(tmp_path)},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    told = [line.split("Revealed type is ")[1] for line in done.stdout.splitlines() if "Revealed type" in line]
    assert told[0] == '"float"'
    for (expression, kind), found in zip(REVEALED.items(), told[1:], strict=True):
        assert kind in found, (expression, found)
