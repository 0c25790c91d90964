"""`unpersonal run STUDY --until synthesis`, killed at random moments: the bytes must be those of a run that was not.

    python -m benchmarks.kills STUDY --kills 50 --seed 0

STUDY is a study that ran up to its judges (or further; it is only read). Each round works on a copy of it without
candidates, kills the run at moments drawn uniformly from the time that an undisturbed one takes, starts it again, and
ends when a run came to its end. Processes are forked, so that kills fall into the work and not into imports.
"""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

STAGE = "synthesis"


@dataclass(frozen=True)
class Kills:
    """What the harness saw: kills, runs that they hit, rounds, and the parts that were there at each kill."""

    kills: int
    runs: int
    rounds: int
    parts_there: tuple[int, ...]
    seconds: float


def start(study: Path) -> int:
    """Fork a process that runs the study up to its candidates; its number. Its exit code is the command's."""
    import torch

    from unpersonal.cli import app

    process = os.fork()
    if process:
        return process
    code = 1
    try:
        nowhere = os.open(os.devnull, os.O_RDWR)
        for stream in (0, 1, 2):
            os.dup2(nowhere, stream)
        # threads of the parent's pool are not there after a fork
        torch.set_num_threads(1)
        app(["run", str(study), "--until", STAGE])
    except SystemExit as ending:
        code = int(ending.code or 0)
    finally:
        os._exit(code)


def wait(process: int, seconds: float) -> int | None:
    """The exit code of a process, or None where it was killed after so many seconds."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        found, status = os.waitpid(process, os.WNOHANG)
        if found:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.002)
    os.kill(process, signal.SIGKILL)
    _, status = os.waitpid(process, 0)
    code = os.waitstatus_to_exitcode(status)
    return None if code == -signal.SIGKILL else code


def copy_without_candidates(study: Path, to: Path) -> Path:
    """A copy of a study in which everything from the candidates on is still to do."""
    shutil.rmtree(to, ignore_errors=True)
    return shutil.copytree(study, to, ignore=shutil.ignore_patterns("candidates", "audit", "utility", "release*"))


def content(study: Path) -> dict[str, bytes]:
    """Every file of the candidates but the record, which holds seconds."""
    folder = study / "candidates"
    files = (path for path in folder.rglob("*") if path.is_file() and path.name != "stage.json")
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in sorted(files)}


def check(study: Path, expected: dict[str, bytes]) -> None:
    """RuntimeError unless the candidates are as expected, no seed occurs twice, and ledger and images agree."""
    found = content(study)
    if found != expected:
        names = sorted(name for name in {*found, *expected} if found.get(name) != expected.get(name))
        raise RuntimeError(f"other bytes than an undisturbed run: {', '.join(names)}")
    ledger = pd.read_parquet(study / "candidates" / "ledger.parquet")
    images = np.load(study / "candidates" / "selected.npy", mmap_mode="r", allow_pickle=False)
    if ledger["seed"].duplicated().any() or int(ledger["selected"].sum()) != len(images):
        raise RuntimeError("a seed occurs twice, or ledger and images differ in number")


def kill_runs(study: Path, work: Path, kills: int, seed: int) -> Kills:
    """Kill runs so often, and check every study that was brought to its end; RuntimeError where one is not right."""
    began, rng = time.monotonic(), np.random.default_rng(seed)
    whole = copy_without_candidates(study, work / "whole")
    started = time.monotonic()
    if (code := wait(start(whole), np.inf)) != 0:
        raise RuntimeError(f"the undisturbed run ended with {code}")
    typical, expected = time.monotonic() - started, content(whole)
    check(whole, expected)
    there: list[int] = []
    runs = rounds = 0
    while len(there) < kills:
        rounds += 1
        copy = copy_without_candidates(study, work / "killed")
        code = None
        while code is None:
            runs += 1
            code = wait(start(copy), rng.uniform(0, typical) if len(there) < kills else np.inf)
            if code is None:
                there.append(len(list((copy / "candidates").rglob("part-*.parquet"))))
        if code != 0:
            raise RuntimeError(f"a run that went on after a kill ended with {code}")
        check(copy, expected)
    return Kills(len(there), runs, rounds, tuple(there), time.monotonic() - began)


def main() -> None:
    """Read the command line, kill, and print what was seen."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("study", type=Path)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        found = kill_runs(given.study, Path(folder), given.kills, given.seed)
    print(f"{found.kills} kills of {found.runs} runs in {found.rounds} rounds, {found.seconds:.0f} s")
    print(f"parts that were there when killed: {', '.join(map(str, found.parts_there))}")
    print("every round ended with the bytes of an undisturbed run; no seed twice")


if __name__ == "__main__":
    main()
