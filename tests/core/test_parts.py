"""Parts: who makes which, in what order, once; claims; lost processes; what is no shard; one thread."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
import torch

from unpersonal.core.claims import open_claims
from unpersonal.core.errors import InputError
from unpersonal.core.files import write_text
from unpersonal.core.parts import CLAIMS, Shard, make_in_processes, make_parts, missing
from unpersonal.core.threads import one_thread


@dataclass
class Texts:
    """Parts that are small files; `dies` kills the process that makes a part, as long as the file `alive` is there."""

    study: Path
    count: int = 7
    dies: int | None = None
    refuses: int | None = None
    opened: list[int] = field(default_factory=list)

    def __len__(self) -> int:
        return self.count

    def path(self, number: int) -> Path:
        return self.study / f"part-{number}.txt"

    def open(self) -> None:
        self.opened.append(os.getpid())

    def made(self, number: int) -> bool:
        return self.path(number).exists()

    def make(self, number: int) -> None:
        if number == self.refuses:
            raise InputError("part refused", where="here", how="so")
        if number == self.dies and (self.study / "alive").exists():
            (self.study / "alive").unlink()
            os.kill(os.getpid(), signal.SIGKILL)
        write_text(self.path(number), f"{number} {os.getpid()}")

    def makers(self) -> set[str]:
        return {self.path(number).read_text().split()[1] for number in range(self.count)}


@pytest.mark.parametrize("of", [1, 2, 3, 7, 20])
def test_shards_make_every_part_once(of):
    for count in (0, 1, 6, 7):
        numbers = [number for index in range(of) for number in Shard(index, of).numbers(count)]
        assert sorted(numbers) == list(range(count))


@pytest.mark.parametrize("text", ["", "1", "1/", "/2", "2/2", "3/2", "0/0", "-1/2", "1/-2", "a/b", "0/1/2", "0.0/2"])
@pytest.mark.parametrize("wrap", ["{}", " {}", "{}\n"])
def test_what_is_no_shard_is_refused(text, wrap):
    with pytest.raises(InputError, match="is no shard") as refusal:
        Shard.parse(wrap.format(text))
    assert refusal.value.where == "--shard" and refusal.value.how


@pytest.mark.parametrize("text", ["0/100001", "0/999999999999999999999", "٠/٤", "0 /4", "+0/4"])
def test_odd_numbers_are_no_shards(text):
    with pytest.raises(InputError, match="is no shard"):
        Shard.parse(text)


def test_a_shard_is_read_as_it_is_written():
    assert Shard.parse("3/4") == Shard(3, 4) and str(Shard(3, 4)) == "3/4"


def test_parts_that_are_there_are_left_alone(tmp_path):
    parts, done = Texts(tmp_path), []
    parts.make(2)
    before = parts.path(2).stat().st_mtime_ns
    assert make_parts(tmp_path, parts, [4, 2, 0], done.append) == 2
    assert done == [4, 2, 0] and missing(parts) == [1, 3, 5, 6] and missing(parts, [0, 1]) == [1]
    assert parts.path(2).stat().st_mtime_ns == before


def test_several_processes_open_once_and_share(tmp_path):
    parts, done = Texts(tmp_path), []
    assert make_in_processes(tmp_path, parts, range(7), done.append, 2) == 7
    assert done == list(range(7)) and parts.opened == [os.getpid()]
    assert str(os.getpid()) not in parts.makers() and 1 <= len(parts.makers()) <= 2


def test_one_worker_is_this_process(tmp_path):
    parts = Texts(tmp_path)
    assert make_in_processes(tmp_path, parts, range(7), lambda _: None, 1) == 7
    assert parts.makers() == {str(os.getpid())}


def test_a_process_that_dies_costs_its_part_only(tmp_path):
    (tmp_path / "alive").touch()
    parts = Texts(tmp_path, dies=3)
    make_in_processes(tmp_path, parts, range(7), lambda _: None, 2)
    assert missing(parts) == [] and not (tmp_path / "alive").exists()


def test_what_a_part_refuses_in_another_process_is_told_as_it_was(tmp_path):
    with pytest.raises(InputError) as refusal:
        make_in_processes(tmp_path, Texts(tmp_path, refuses=1), range(7), lambda _: None, 2)
    assert (refusal.value.what, refusal.value.where, refusal.value.how) == ("part refused", "here", "so")


HOLD = """
import sys
from pathlib import Path
from unpersonal.core.claims import open_claims
with open_claims(Path(sys.argv[1])) as claims:
    claims.take(3, wait=True)
    print("held", flush=True)
    sys.stdin.read()
"""


def test_a_claimed_part_is_waited_for_and_a_killed_process_claims_nothing(tmp_path):
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen([sys.executable, "-c", HOLD, str(tmp_path / CLAIMS)], **pipes) as process:
        assert process.stdout is not None and process.stdout.readline() == "held\n"
        with open_claims(tmp_path / CLAIMS) as claims:
            assert not claims.take(3, wait=False) and claims.take(2, wait=False)
        process.kill()
        process.wait()
    parts = Texts(tmp_path)
    assert make_parts(tmp_path, parts, [3], lambda _: None) == 1


def test_one_thread_computes_alike_whatever_there_are(tmp_path):
    before = torch.get_num_threads()
    try:
        found = set()
        for threads in (1, 2, 3):
            torch.set_num_threads(threads)
            with one_thread() as had:
                assert had == threads and torch.get_num_threads() == 1
                generator = torch.Generator().manual_seed(0)
                x, w = torch.randn(10, 32, 4, 4, generator=generator), torch.randn(8, 32, 1, 1, generator=generator)
                found.add(np.asarray(torch.conv2d(x, w)).tobytes())
            assert torch.get_num_threads() == threads
        assert len(found) == 1
    finally:
        torch.set_num_threads(before)
