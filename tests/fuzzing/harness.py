"""Runs cases in child processes that may die, hang or take too much memory; tells which case it was."""

from __future__ import annotations

import faulthandler
import json
import os
import re
import resource
import select
import signal
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from . import cases
from .cases import Case
from .contracts import MEMORY, Broken

BATCH = 250
"""Cases of one process."""
LIMIT_SECONDS, PATIENCE = 30.0, 8
"""Seconds that a case may take, and how many times as long where it had a processor for less than half of them and
wants one: on a machine that others use, half a minute may be a second of work. Who only waits is not waited for."""
GLANCES, APART = 20, 0.02
"""Looks at whether a case wants a processor, and seconds from one to the next."""
MOST_BYTES = 2**30
ADDRESS_BYTES = 3 * 2**30
"""Beyond what a process has when it starts; above `MOST_BYTES`, since address space that is not used costs nothing."""
MEMORY_DISK = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
"""Thousands of small folders are made and removed."""
FAILURES = ("traceback", "contract", "crash", "hang", "memory")


@dataclass(frozen=True)
class Outcome:
    """What came of one case: `result` is one of FAILURES, or what the reader said; `detail` says more of a failure."""

    case: Case
    result: str
    detail: str = ""
    seconds: float = 0.0
    mebibytes: float = 0.0

    @property
    def failed(self) -> bool:
        """Whether a person has to look."""
        return self.result in FAILURES


@dataclass
class Report:
    """The outcomes of a run."""

    seed: int
    outcomes: list[Outcome] = field(default_factory=list)
    seconds: float = 0.0
    planned: int = 0

    @property
    def failures(self) -> list[Outcome]:
        """The outcomes that a person has to look at."""
        return [outcome for outcome in self.outcomes if outcome.failed]

    def counts(self) -> dict[str, Counter[str]]:
        """Outcomes by kind."""
        found: dict[str, Counter[str]] = {}
        for outcome in self.outcomes:
            found.setdefault(outcome.case.kind, Counter())[outcome.result] += 1
        return found

    def lines(self) -> list[str]:
        """The table that is printed, a line per kind, then the totals, then each failure with how to see it again."""
        counts = self.counts()
        heads = f"{'cases':>6}{'ms':>6}{'used':>6}{'refused':>8}{'failed':>7}"
        lines = [f"{'kind':<14}{heads}  refused as, failed as"]
        for kind in cases.SHARES:
            if kind in counts:
                lines.append(_line(kind, counts[kind], [o.seconds for o in self.outcomes if o.case.kind == kind]))
        lines.append(_line("all", sum(counts.values(), Counter()), [o.seconds for o in self.outcomes]))
        if self.outcomes:
            slow = max(self.outcomes, key=lambda outcome: outcome.seconds)
            large = max(self.outcomes, key=lambda outcome: outcome.mebibytes)
            lines.append(
                f"slowest {slow.case.name} ({slow.seconds:.1f} s), "
                f"largest {large.case.name} ({large.mebibytes:.0f} MiB)"
            )
        for failure in self.failures:
            lines.append(f"FAILED {failure.case.name} {failure.result}: {failure.detail}")
            lines.append(f"  python -m benchmarks.fuzz --seed {self.seed} --only {failure.case.name} --keep FOLDER")
        rest = f" of {self.planned}" if len(self.outcomes) < self.planned else ""
        lines.append(
            f"{len(self.outcomes)}{rest} cases, seed {self.seed}, {self.seconds:.0f} s: {len(self.failures)} failures"
        )
        return lines


def _line(kind: str, results: Counter[str], seconds: Sequence[float]) -> str:
    refused = {name.removeprefix("refused: "): n for name, n in results.items() if name.startswith("refused")}
    refused |= {name: n for name, n in results.items() if name == "InputError"}
    failed = {name: n for name, n in results.items() if name in FAILURES}
    used = sum(results.values()) - sum(refused.values()) - sum(failed.values())
    shown = ", ".join(f"{name} {n}" for name, n in sorted({**refused, **failed}.items(), key=lambda item: -item[1]))
    each = 1000 * sum(seconds) / max(1, len(seconds))
    numbers = f"{sum(results.values()):>6}{each:>6.0f}{used:>6}{sum(refused.values()):>8}{sum(failed.values()):>7}"
    return f"{kind:<14}{numbers}  {shown}"


def run_cases(
    planned: Sequence[Case],
    *,
    limit: float = LIMIT_SECONDS,
    minutes: float | None = None,
    keep: Path | None = None,
    said: Callable[[str], None] = lambda text: None,
) -> Report:
    """Run the cases in order, in one process at a time; stops after `minutes`."""
    cases.prepare(sorted({case.kind for case in planned}))
    start = time.monotonic()
    report = Report(planned[0].seed if planned else 0, planned=len(planned))
    place = 0
    while place < len(planned):
        if minutes is not None and time.monotonic() - start > 60 * minutes:
            break
        batch = planned[place : place + BATCH]
        done = _run_batch(batch, limit, keep)
        if done and done[-1].result == "crash" and len(done) > 1:
            done[-1] = _explained(batch[: len(done)], done[-1], limit)
        report.outcomes += done
        place += len(done)
        said(f"{place} of {len(planned)} cases, {len(report.failures)} failures")
    report.seconds = time.monotonic() - start
    return report


def _explained(batch: Sequence[Case], crash: Outcome, limit: float) -> Outcome:
    """Whether the case crashes alone; if not, the fewest of the cases before it that it takes, by halving."""
    case = batch[-1]
    if _crashes([case], limit):
        return crash
    low, high = 1, min(2, len(batch))
    while not _crashes(batch[-high:], limit):
        if high == len(batch):
            return Outcome(case, "crash", f"{crash.detail}; not seen again")
        low, high = high, min(2 * high, len(batch))
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if _crashes(batch[-middle:], limit) else (middle, high)
    return Outcome(case, "crash", f"{crash.detail}; not alone, but after {batch[-high].name}")


def _crashes(batch: Sequence[Case], limit: float) -> bool:
    done = _run_batch(batch, limit, None)
    return bool(done) and done[-1].result == "crash"


def _run_batch(batch: Sequence[Case], limit: float, keep: Path | None) -> list[Outcome]:
    """Outcomes of the cases of a process, up to the one that it died in, if it did."""
    with tempfile.TemporaryDirectory(dir=MEMORY_DISK) as folder:  # also what a process that is killed leaves behind
        return _run_in(folder, batch, limit, keep)


def _run_in(folder: str, batch: Sequence[Case], limit: float, keep: Path | None) -> list[Outcome]:
    """`_run_batch` with temporary files in `folder`."""
    reading, writing = os.pipe()
    sys.stdout.flush(), sys.stderr.flush()
    child = os.fork()
    if child == 0:
        code = 1
        try:
            os.close(reading)
            os.setpgid(0, 0)
            tempfile.tempdir = folder
            with os.fdopen(writing, "w") as stream:
                _work(batch, stream, keep)
            code = 0
        finally:
            os._exit(code)
    os.close(writing)
    outcomes: list[Outcome] = []
    hung, waited, before = False, 0, 0.0
    with os.fdopen(reading, "rb", buffering=0) as pipe:
        rest = b""
        while len(outcomes) < len(batch):
            if not select.select([pipe], [], [], limit)[0]:
                waited += 1
                starved = _processor_seconds(child) - before < limit / 2 and _wants_processor(child)
                if starved and waited < PATIENCE:
                    continue
                hung = True
                break
            waited, before = 0, _processor_seconds(child)
            got = pipe.read(65536)
            if not got:
                break
            *whole, rest = (rest + got).split(b"\n")
            outcomes += [Outcome(batch[len(outcomes) + i], *json.loads(line)) for i, line in enumerate(whole)]
    if not hung and len(outcomes) < len(batch):
        os.waitid(os.P_PID, child, os.WEXITED | os.WNOWAIT)  # how it died must not be the signal that follows
    _end(child)
    status = os.waitpid(child, 0)[1]
    if len(outcomes) < len(batch):
        case = batch[len(outcomes)]
        if hung:
            outcomes.append(Outcome(case, "hang", f"no end after {limit:g} s", limit))
        else:
            signalled = os.WIFSIGNALED(status)
            how = signal.Signals(os.WTERMSIG(status)).name if signalled else f"exit code {os.WEXITSTATUS(status)}"
            outcomes.append(Outcome(case, "crash", how))
    return outcomes


def _processor_seconds(child: int) -> float:
    """What a process and those that it started have used so far; infinite where nobody can say."""
    used = [sum(map(int, fields[11:15])) for fields in _group(child)]  # user and system time, its children's too
    return sum(used) / os.sysconf("SC_CLK_TCK") if used else float("inf")


def _wants_processor(child: int) -> bool:
    """Whether one of its group runs, waits for a processor or for the disk; a pipe or a lock is waited for asleep."""
    for _ in range(GLANCES):
        if any(fields[0] in ("R", "D") for fields in _group(child)):
            return True
        time.sleep(APART)
    return False


def _group(child: int) -> Iterator[list[str]]:
    """What proc(5) says of each process of a group, from its state on."""
    for path in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            fields = path.read_text().rpartition(")")[2].split()
            if int(fields[2]) == child:
                yield fields


def _end(child: int) -> None:
    """End a process with those that it started."""
    for kill in (os.killpg, os.kill):
        with suppress(ProcessLookupError, PermissionError):
            kill(child, signal.SIGKILL)


def _work(batch: Sequence[Case], stream: IO[str], keep: Path | None) -> None:
    """Run the cases of one process, and write a line for each."""
    faulthandler.disable()  # a crash is told by how the process ended
    silent = os.open(os.devnull, os.O_WRONLY)
    for target in (1, 2):  # decoders in C write what they think of a file straight to the terminal
        os.dup2(silent, target)
    space = _memory("VmSize")
    if space:
        most = int(space * 2**20) + ADDRESS_BYTES
        resource.setrlimit(resource.RLIMIT_AS, (most, most))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    for case in batch:
        outcome = _guarded(case, keep)
        stream.write(json.dumps([outcome.result, outcome.detail, outcome.seconds, outcome.mebibytes]) + "\n")
        stream.flush()


def _guarded(case: Case, keep: Path | None) -> Outcome:
    """One case with its time and memory; every exception is a failure."""
    before = _memory("VmRSS")
    _forget_peak()
    start = time.monotonic()
    try:
        result, detail = cases.run(case, keep), ""
    except Broken as broken:
        memory = MEMORY in str(broken) or "out of memory" in str(broken)
        result, detail = "memory" if memory else "contract", str(broken)
    except MemoryError:
        result, detail = "memory", _where()
    except BaseException as error:  # also a panic of Rust, or an exit
        result, detail = "traceback", f"{type(error).__name__}: {str(error)[:300]!r} {_where()}"
    seconds = time.monotonic() - start
    taken = max(0.0, _memory("VmHWM") - before)
    if taken * 2**20 > MOST_BYTES and result not in FAILURES:
        result, detail = "memory", f"{taken:.0f} MiB ({result})"
    return Outcome(case, result, detail, round(seconds, 3), round(taken, 1))


def _where() -> str:
    """The innermost lines of our own code, with the last of all."""
    frames = traceback.extract_tb(sys.exc_info()[2])
    own = [frame for frame in frames if "unpersonal" in frame.filename][-3:]
    shown = [*own, *(frames[-1:] if frames and frames[-1] not in own else [])]
    return "at " + " > ".join(f"{Path(frame.filename).name}:{frame.lineno}" for frame in shown)


def _memory(name: str) -> float:
    """MiB of a line of /proc/self/status; 0 where there is no such file."""
    try:
        text = Path("/proc/self/status").read_text()
    except OSError:
        return 0.0
    match = re.search(rf"{name}:\s*(\d+) kB", text)
    return int(match[1]) / 1024 if match else 0.0


def _forget_peak() -> None:
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")
