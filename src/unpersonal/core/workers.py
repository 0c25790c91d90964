"""Work in other processes that may die or hang: results in order, little in flight, no task lost without a word.

Files from outside reach decoders written in C. One that crashes or never returns must cost one file, not the run.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, TimeoutError  # before Python 3.11 not the builtin
from concurrent.futures.process import BrokenProcessPool
from typing import Any, Generic, TypeVar

from .allocator import keep_freed_memory
from .errors import InputError
from .verbosity import set_verbosity, verbosity

T = TypeVar("T")
R = TypeVar("R")

AHEAD = 3
"""Tasks submitted per process: enough to keep each busy, few enough that results do not pile up."""
PARENT_SECONDS = 1.0
PR_SET_PDEATHSIG = 1
KEPT_BYTES = 32 * 2**20
"""Freed memory that a process keeps for its next image; a larger single array goes back to the system at once."""


def cores() -> int:
    """The cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _context() -> Any:
    # fork shares what the parent holds (the names of a large archive) instead of copying it
    return multiprocessing.get_context("fork" if sys.platform == "linux" else "spawn")


class Pool(Generic[T, R]):
    """`work(items)`, a result for each, for the items of every task, in processes.

    `prepare` (a function of this module's caller, with `arguments`) runs once in each process. An item whose process
    dies, or that takes longer than `limit` seconds alone, gives `lost(item, why)` instead. Processes that cannot start
    at all are an `InputError`. What they write on stderr is lost where `silent`.
    """

    def __init__(
        self,
        work: Callable[[Sequence[T]], list[R]],
        *,
        lost: Callable[[T, str], R],
        prepare: Callable[..., None],
        arguments: tuple[Any, ...],
        workers: int = 0,
        limit: float = 300.0,
        silent: bool = True,
    ) -> None:
        self._work, self._lost, self._limit = work, lost, limit
        self._start = (prepare, arguments, silent)
        self.workers = workers or cores()
        self._context = _context()

    def map(self, tasks: Iterator[Sequence[T]]) -> Iterator[list[R]]:
        """The results of each task (a few items), in the order of the tasks."""
        executor = self._executor(self.workers)
        flying: deque[tuple[Sequence[T], Future[list[R]]]] = deque()
        try:
            exhausted = False
            while flying or not exhausted:
                while not exhausted and len(flying) < AHEAD * self.workers:
                    task = next(tasks, None)
                    if task is None:
                        exhausted = True
                    else:
                        flying.append((task, self._submit(executor, task)))
                if not flying:
                    break
                task, future = flying.popleft()
                try:
                    results = future.result(timeout=self._limit * max(1, len(task)))
                except (BrokenProcessPool, TimeoutError):
                    _kill(executor)
                    results = [self._alone(item) for item in task]
                    executor = self._executor(self.workers)
                    flying = deque((waiting, self._submit(executor, waiting)) for waiting, _ in flying)
                # results are told apart by their places: one too few would give every later item another's
                if len(results) != len(task):
                    raise RuntimeError(f"{len(results)} results for {len(task)} items")
                yield results
        finally:
            _kill(executor)

    def _submit(self, executor: ProcessPoolExecutor, task: Sequence[T]) -> Future[list[R]]:
        try:
            return executor.submit(self._work, list(task))
        except BrokenProcessPool as error:
            failed: Future[list[R]] = Future()
            failed.set_exception(error)
            return failed

    def _alone(self, item: T) -> R:
        executor = self._executor(1)
        try:
            return executor.submit(self._work, [item]).result(timeout=self._limit)[0]
        except BrokenProcessPool:
            return self._lost(item, "the process that decoded it died")
        except TimeoutError:
            return self._lost(item, f"decoding took longer than {self._limit:.0f} s")
        finally:
            _kill(executor)

    def _executor(self, workers: int) -> ProcessPoolExecutor:
        executor = ProcessPoolExecutor(
            workers, mp_context=self._context, initializer=_begin, initargs=(os.getpid(), verbosity(), *self._start)
        )
        try:
            executor.submit(self._work, []).result()
        except BrokenProcessPool:
            # no file is to blame where not even an empty task ends well
            raise InputError(
                "The processes that decode images cannot start",
                where="this program",
                how="call it under `if __name__ == '__main__':`, or see whether memory or processes are limited",
            ) from None
        return executor


class Lost(Exception):
    """A process ended without a result; the text says how."""


def alone(work: Callable[..., bytes], *arguments: Any, seconds: float, memory: int) -> bytes:
    """`work(*arguments)`, computed in a process of its own that can die without harm.

    It is killed after `seconds` and may map `memory` bytes beyond what it has at its start (not limited where the
    system cannot, as on macOS). An `InputError` of `work` is raised here; any other end without a result is `Lost`.
    """
    context = _context()
    receiver, sender = context.Pipe(duplex=False)
    limits = (os.getpid(), verbosity(), seconds, memory)
    process = context.Process(target=_answer, args=(sender, limits, work, arguments), daemon=True)
    process.start()
    sender.close()
    try:
        if not receiver.poll(seconds):
            raise Lost(f"it took longer than {seconds:.0f} s")
        kind: bytes = receiver.recv_bytes()
        answer: bytes = receiver.recv_bytes()
    except EOFError:
        raise Lost("its process died") from None
    finally:
        process.kill()
        process.join()
        receiver.close()
    if kind == b"refused":
        what, where, how = json.loads(answer)
        raise InputError(what, where=where, how=how)
    if kind == b"failed":
        raise Lost(answer.decode())
    return answer


def _answer(
    sender: Any, limits: tuple[int, int, float, int], work: Callable[..., bytes], arguments: tuple[Any, ...]
) -> None:
    parent, level, seconds, memory = limits
    _begin(parent, level, lambda: None, (), silent=True)
    _limit(seconds, memory)
    try:
        kind, answer = b"done", work(*arguments)
    except InputError as error:
        kind, answer = b"refused", json.dumps([error.what, error.where, error.how]).encode()
    except Exception as error:  # whatever a hostile file makes a decoder raise, MemoryError too
        kind, answer = b"failed", type(error).__name__.encode()
    sender.send_bytes(kind)
    sender.send_bytes(answer)


def _limit(seconds: float, memory: int) -> None:
    """Limit the time and memory of this process, where the system can."""
    try:
        import resource

        # a parent that was killed itself no longer watches the clock
        resource.setrlimit(resource.RLIMIT_CPU, (int(seconds) + 1, int(seconds) + 2))
        with open("/proc/self/statm", encoding="ascii") as stream:
            mapped = int(stream.read().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (mapped + memory, mapped + memory))
    except (ImportError, OSError, ValueError):
        pass


def _begin(parent: int, level: int, prepare: Callable[..., None], arguments: tuple[Any, ...], silent: bool) -> None:
    set_verbosity(level)  # a process that was not forked knows nothing of -q and -v
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if silent:
        # decoders in C write warnings about hostile files straight to the terminal
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, 2)
        os.close(nowhere)
    # arrays of an image's size come and go thousands of times; at most the peak of one process stays with it
    keep_freed_memory(KEPT_BYTES)
    _die_with_parent()
    threading.Thread(target=_leave_with, args=(parent,), daemon=True).start()
    prepare(*arguments)


def _die_with_parent() -> None:
    """Ask Linux to kill this process at once when its parent dies: locks that both have are free then."""
    if sys.platform == "linux":
        import ctypes

        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def _leave_with(parent: int) -> None:
    """A killed parent cannot tell its processes to end."""
    while os.getppid() == parent:
        time.sleep(PARENT_SECONDS)
    os._exit(1)


def _kill(executor: ProcessPoolExecutor) -> None:
    for process in list((getattr(executor, "_processes", None) or {}).values()):
        process.kill()
    executor.shutdown(wait=True, cancel_futures=True)
