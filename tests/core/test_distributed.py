"""The processes that torchrun tells of, and the share of each."""

from __future__ import annotations

import pytest
import torch

from unpersonal.core.device import pick_device
from unpersonal.core.distributed import World, world
from unpersonal.core.errors import InputError


def test_the_processes_are_those_torchrun_tells(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK"):
        monkeypatch.delenv(name, raising=False)
    assert world() == World() and world().first
    for name, value in (("RANK", "3"), ("WORLD_SIZE", "4"), ("LOCAL_RANK", "1")):
        monkeypatch.setenv(name, value)
    assert world() == World(3, 4, 1) and not world().first
    assert [World(rank, 4).share(8) for rank in range(4)] == [slice(0, 2), slice(2, 4), slice(4, 6), slice(6, 8)]
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert pick_device("auto") == torch.device("cuda:1")
    monkeypatch.setenv("RANK", "first")
    with pytest.raises(InputError, match="whole numbers"):
        world()
