"""Work in other processes: order, processes that die, that hang, and what is left behind."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import textwrap
import time

import pytest

from unpersonal.core import workers
from unpersonal.core.errors import InputError
from unpersonal.core.verbosity import DEBUG, QUIET, USUAL, set_verbosity, verbosity
from unpersonal.core.workers import Lost, Pool, alone, cores

_base = 0


def start(base: int) -> None:
    global _base  # noqa: PLW0603
    _base = base


def work(item: int) -> int:
    if item == -1:
        os.kill(os.getpid(), signal.SIGKILL)
    if item == -2:
        time.sleep(60)
    if item == -3:
        raise ValueError("a bug")
    return _base + item


def works(items: list[int]) -> list[int]:
    return [work(item) for item in items]


def lost(item: int, why: str) -> tuple[int, str]:
    return (item, why)


def pool(workers: int = 2, limit: float = 60.0) -> Pool:
    return Pool(works, lost=lost, prepare=start, arguments=(100,), workers=workers, limit=limit)


@pytest.mark.parametrize("count", [1, 2])
def test_results_come_in_the_order_of_the_tasks(count):
    tasks = [[i, i + 1] for i in range(0, 60, 2)]
    assert [x for part in pool(count).map(iter(tasks)) for x in part] == list(range(100, 160))
    assert list(pool(count).map(iter([]))) == []


def levels(items: list[int]) -> list[int]:
    return [verbosity() for _ in items]


@pytest.mark.parametrize("how", ["fork", "spawn"])
@pytest.mark.parametrize("level", [QUIET, DEBUG])
def test_a_process_says_as_much_as_the_command_was_asked_to(how, level, monkeypatch):
    monkeypatch.setattr(workers, "_context", lambda: multiprocessing.get_context(how))
    set_verbosity(level)
    try:
        pool = Pool(levels, lost=lost, prepare=start, arguments=(0,), workers=1)
        assert list(pool.map(iter([[1, 2]]))) == [[level, level]]
    finally:
        set_verbosity(USUAL)


def test_a_process_that_dies_costs_one_item():
    tasks = [[1, 2], [3, -1, 4], [5], [-1], [6]]
    results = [x for part in pool().map(iter(tasks)) for x in part]
    died = (-1, "the process that decoded it died")
    assert results == [101, 102, 103, died, 104, 105, died, 106]


@pytest.mark.slow
def test_an_item_that_hangs_costs_one_item():
    results = [x for part in pool(limit=1.0).map(iter([[1], [2, -2], [3]])) for x in part]
    assert results == [101, 102, (-2, "decoding took longer than 1 s"), 103]


def test_a_bug_is_not_hidden():
    with pytest.raises(ValueError, match="a bug"):
        list(pool().map(iter([[1], [-3]])))


def test_few_tasks_are_in_flight():
    taken = []

    def tasks():
        for i in range(100):
            taken.append(i)
            yield [i]

    results = pool(1).map(tasks())
    next(results)
    assert len(taken) <= 4
    results.close()


def test_no_process_outlives_a_killed_parent(tmp_path):
    script = tmp_path / "parent.py"
    script.write_text(
        textwrap.dedent(
            """
            import os, sys, time
            from unpersonal.core.workers import Pool

            def start(): pass
            def works(items):
                if items:
                    print(os.getpid(), flush=True)
                    time.sleep(60)
                return items

            if __name__ == "__main__":
                list(Pool(works, lost=print, prepare=start, arguments=(), workers=1).map(iter([[1]])))
            """
        )
    )
    parent = subprocess.Popen([sys.executable, str(script)], stdout=subprocess.PIPE, text=True)
    child = int(parent.stdout.readline())
    parent.kill()
    parent.wait()
    deadline = time.monotonic() + 20
    while alive(child) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not alive(child)


def alive(pid: int) -> bool:
    """Whether a process runs; one that has ended and waits for its parent does not."""
    try:
        if not os.path.isdir("/proc/self"):
            os.kill(pid, 0)
            return True
        with open(f"/proc/{pid}/stat") as stream:
            return stream.read().rsplit(")", 1)[1].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def test_cores_are_those_this_process_may_use():
    assert 1 <= cores() <= (os.cpu_count() or 1)


def broken_start() -> None:
    os._exit(3)


def test_processes_that_cannot_start_blame_no_item():
    broken = Pool(works, lost=lost, prepare=broken_start, arguments=(), workers=1)
    with pytest.raises(InputError, match="cannot start"):
        list(broken.map(iter([[1, 2]])))


@pytest.mark.slow
def test_a_long_task_may_take_its_items_time():
    """The limit is per item: a task of eight slow ones is no reason to start anew."""
    slow = Pool(naps, lost=lost, prepare=start, arguments=(0,), workers=1, limit=1.0)
    results = [x for part in slow.map(iter([[0.3] * 8])) for x in part]
    assert len(set(results)) == 1, "every item ran in the same process"


def naps(durations: list[float]) -> list[int]:
    return [time.sleep(seconds) or os.getpid() for seconds in durations]


SPAWNED = """
import multiprocessing, sys
from unpersonal.core import workers
from tests_spawned import lost, start, works

if __name__ == "__main__":
    sys.platform = "darwin"
    pool = workers.Pool(works, lost=lost, prepare=start, arguments=(100,), workers=2)
    assert pool._context.get_start_method() == "spawn"
    print([x for part in pool.map(iter([[1, 2], [3, -1], [4]])) for x in part])
"""


def test_spawned_processes_do_the_same(tmp_path):
    """As on macOS, where a process is not forked."""
    (tmp_path / "tests_spawned.py").write_text(
        "import os, signal\nbase = 0\n"
        "def start(b):\n    global base\n    base = b\n"
        "def work(i):\n    if i == -1: os.kill(os.getpid(), signal.SIGKILL)\n    return base + i\n"
        "def works(items): return [work(i) for i in items]\n"
        "def lost(i, why): return ('lost', i)\n"
    )
    (tmp_path / "main.py").write_text(SPAWNED)
    done = subprocess.run([sys.executable, "main.py"], cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert done.stdout.strip() == "[101, 102, 103, ('lost', -1), 104]", done.stderr


def answered(text: str) -> bytes:
    return text.encode() + str(os.getpid() != int(text)).encode()


def refuses() -> bytes:
    raise InputError("It is wrong", where="here", how="mend it")


def fails() -> bytes:
    raise KeyError("x")


def hangs() -> bytes:
    time.sleep(60)
    return b""


def dies() -> bytes:
    os.kill(os.getpid(), signal.SIGKILL)
    return b""


def takes(size: int) -> bytes:
    return bytes(size)[:1] * 0 + b"taken"


def test_work_alone_answers_from_another_process():
    own = str(os.getpid())
    assert alone(answered, own, seconds=20, memory=2**28) == own.encode() + b"True"


def test_work_alone_that_refuses_is_an_input_error():
    with pytest.raises(InputError) as caught:
        alone(refuses, seconds=20, memory=2**28)
    assert (caught.value.what, caught.value.where, caught.value.how) == ("It is wrong", "here", "mend it")


@pytest.mark.parametrize(
    "work, why", [(fails, "KeyError"), (hangs, "longer than 1 s"), (dies, "died")], ids=["fails", "hangs", "dies"]
)
def test_work_alone_that_gives_no_answer_is_lost(work, why):
    with pytest.raises(Lost, match=why):
        alone(work, seconds=1.0, memory=2**28)


def test_work_alone_may_map_so_much():
    assert alone(takes, 2**20, seconds=20, memory=2**28) == b"taken"
    with pytest.raises(Lost, match="MemoryError"):
        alone(takes, 2**30, seconds=20, memory=2**28)


def test_an_answer_of_any_size_arrives():
    assert alone(bytes, 3 * 2**20, seconds=20, memory=2**28) == bytes(3 * 2**20)
