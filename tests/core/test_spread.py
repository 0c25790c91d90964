"""Work that is spread gives the same results wherever it is done: here, in other processes, as tasks of Ray."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from unpersonal.core import spread as module
from unpersonal.core.errors import InputError
from unpersonal.core.parts import ClusterConfig
from unpersonal.core.progress import progress_bar
from unpersonal.core.spread import spread, spreading
from unpersonal.core.telling import stage_progress, told_to


def product(common: np.ndarray, item: int) -> np.ndarray:
    """Products whose last bits hang on threads and shapes."""
    return np.random.default_rng(item).normal(size=(30, len(common))).astype(np.float32) @ common


def own_process(_: None, __: int) -> int:
    return os.getpid()


def spread_again(_: None, __: int) -> set[int]:
    return {*spread(own_process, None, range(3)), os.getpid()}


def refuse(_: None, item: int) -> int:
    if item == 2:
        raise InputError("item refused", where="here", how="so")
    return item


def die_once(folder: str, item: int) -> int:
    """The process of item 1 dies at the first try."""
    mark = Path(folder) / "died"
    if item == 1 and not mark.exists():
        mark.touch()
        os._exit(1)
    return item * item


@pytest.fixture
def common() -> np.ndarray:
    return np.random.default_rng(5).normal(size=(700, 300)).astype(np.float32)


def test_other_processes_give_the_same_bytes_in_order(common):
    here = spread(product, common, range(5), worth=False)
    with spreading(ClusterConfig(workers=2)):
        there = spread(product, common, range(5))
        assert os.getpid() not in spread(own_process, None, range(4))
        assert spread(own_process, None, range(4), worth=False) == [os.getpid()] * 4
        # a process that spreads in turn does it all itself
        assert all(len(processes) == 1 for processes in spread(spread_again, None, range(2)))
    assert [a.tobytes() for a in there] == [a.tobytes() for a in here]


def test_what_an_item_refuses_is_raised_and_a_process_that_dies_costs_its_item_only(tmp_path):
    with spreading(ClusterConfig(workers=2)):
        with pytest.raises(InputError, match="item refused"):
            spread(refuse, None, range(4))
        assert spread(die_once, str(tmp_path), range(5)) == [0, 1, 4, 9, 16]
    assert (tmp_path / "died").exists()


def test_a_process_that_spoke_to_a_gpu_is_not_divided(monkeypatch):
    monkeypatch.setattr(module, "_divides", lambda: False)
    with spreading(ClusterConfig(workers=2)):
        assert set(spread(own_process, None, range(3))) == {os.getpid()}


def bar_of_its_own(_: None, item: int) -> int:
    with progress_bar("inside", 2) as bar:
        bar.advance(2)
    return item


def test_a_callback_is_called_in_the_own_process_alone(tmp_path):
    """Whoever asked for progress would be called in a copy of the process, and would not know."""
    called = tmp_path / "called"

    def callback(_: object) -> None:
        with called.open("a") as stream:
            stream.write(f"{os.getpid()}\n")

    with told_to(callback), stage_progress("stage"), spreading(ClusterConfig(workers=2)), progress_bar("all", 3) as bar:
        assert spread(bar_of_its_own, None, range(3), done=bar.advance) == [0, 1, 2]
    assert set(called.read_text().split()) == {str(os.getpid())}


def test_bars_within_a_bar_do_not_ask_for_the_terminal_again(monkeypatch):
    monkeypatch.setattr("unpersonal.core.progress.sys.stderr.isatty", lambda: True, raising=False)
    with progress_bar("all", 2) as bar:
        assert spread(bar_of_its_own, None, range(2), worth=False, done=bar.advance) == [0, 1]
    with spreading(ClusterConfig(workers=2)), progress_bar("all", 2) as bar:
        assert spread(bar_of_its_own, None, range(2), done=bar.advance) == [0, 1]
