"""What a user's type checker knows of the public names."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import unpersonal

REVEALED = {
    "Study.open('x')": "unpersonal.study.Study",
    "Study.open('x').run()": "dict[str, Any]",
    "Study.open('x').config.images.size": "int",
    "init_study('x', {})[0]": "unpersonal.cohort.table.Cohort",
    "demo": "def (path: pathlib.Path | str =, *, device: str =) -> dict[str, Any]",
    "verify_release": "def (path: pathlib.Path) -> list[str]",
    "Study.open('x').states()": "dict[str, unpersonal.engine.State]",
    "InputError('x').what": "str",
    "PolicyRefused([]).reasons": "list[str]",
    "audit.audit_images": "unpersonal.audit.result.AuditResult",
    "metrics.wilson": "def (",
    "__version__": "str",
}


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
    lines = [f"from unpersonal import {names}", *(f"reveal_type({expression})" for expression in REVEALED)]
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
    assert len(told) == len(REVEALED)
    for (expression, kind), found in zip(REVEALED.items(), told, strict=True):
        assert kind in found, (expression, found)
