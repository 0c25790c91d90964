"""Output whose reader has gone."""

from __future__ import annotations

import os
import sys
from contextlib import suppress

import pytest

from unpersonal.core.terminal import BROKEN_PIPE, console, exit_code


@pytest.mark.parametrize("stderr", [False, True])
def test_a_reader_of_a_table_that_has_gone_ends_as_one_of_plain_lines(monkeypatch, stderr):
    reading, writing = os.pipe()
    os.close(reading)
    stream = open(writing, "w", encoding="utf-8")  # noqa: SIM115 - closed below, with an error
    monkeypatch.setattr(sys, "stderr" if stderr else "stdout", stream)
    with pytest.raises(BrokenPipeError) as caught:
        console(stderr=stderr).print("figures")
    monkeypatch.undo()
    with suppress(BrokenPipeError):
        stream.close()
    monkeypatch.setattr("unpersonal.core.terminal.silence", lambda: None)
    assert exit_code(caught.value) == BROKEN_PIPE
