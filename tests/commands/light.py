"""The command line on a machine where nothing but the base of the package is installed: imports are refused."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

from unpersonal.core.extras import EXTRAS

HEAVY = tuple(module for modules in EXTRAS.values() for module in modules)
"""Every module that an extra brings."""
BLOCKER = """
import importlib.abc, sys
absent = set(sys.argv.pop(1).split(","))
class Absent(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in absent:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, Absent())
"""
CLI = "from unpersonal.cli import app\napp(sys.argv[1:], prog_name='unpersonal')\n"


def without(
    absent: Iterable[str], *words: object, code: str = CLI, cwd: Path | None = None
) -> subprocess.CompletedProcess[str]:
    """Run `code` (the command line) with `words` in a process that cannot import the modules `absent`."""
    command = [sys.executable, "-c", BLOCKER + code, ",".join(absent), *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, cwd=cwd, check=False)
