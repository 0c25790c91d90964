"""What no memory holds is refused before it is asked for, with the largest number that would fit."""

from __future__ import annotations

import pytest

from unpersonal.core import memory
from unpersonal.core.errors import InputError


def test_there_is_some_memory_and_a_container_may_have_less(tmp_path, monkeypatch):
    whole = memory.memory_free()
    assert 2**26 < whole < 2**50
    (tmp_path / "max").write_text("5000000\n")
    (tmp_path / "current").write_text("1000000\n")
    monkeypatch.setattr(memory, "CGROUPS", ((str(tmp_path / "max"), str(tmp_path / "current")),))
    assert memory.memory_free() == 4_000_000
    (tmp_path / "max").write_text("max\n")
    assert memory.memory_free() > 4_000_000


def test_the_largest_that_fits_is_named_and_fits(monkeypatch):
    monkeypatch.setattr(memory, "memory_free", lambda: 1_000_000)
    with pytest.raises(InputError, match="use 57 pixels at most"):
        memory.refuse_pictures(100, 100, 3, what="Pictures", where="here")
    memory.refuse_pictures(100, 57, 3, what="Pictures", where="here")
    with pytest.raises(InputError, match="use 57 pixels"):
        memory.refuse_pictures(100, 58, 3, what="Pictures", where="here")
    with pytest.raises(InputError, match="use 250000 at most"):
        memory.refuse_number(250_001, 4, what="[x] batch", where="here")
    memory.refuse_number(250_000, 4, what="[x] batch", where="here")
    with pytest.raises(InputError, match="use 500 at most"):
        memory.refuse_number(501, 4, power=2, what="[x] width", where="here")
