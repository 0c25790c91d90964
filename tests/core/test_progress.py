"""What a long task says where no terminal is."""

from __future__ import annotations

import io

from unpersonal.core import progress


def test_without_a_terminal_a_line_a_minute_tells_how_far_it_is(monkeypatch):
    clock = iter(range(0, 10**6, 25))
    monkeypatch.setattr(progress.time, "monotonic", lambda: float(next(clock)))
    said = io.StringIO()
    monkeypatch.setattr(progress, "console", progress.Console(file=said, width=80))
    monkeypatch.setattr(progress.sys.stderr, "isatty", lambda: False, raising=False)
    with progress.progress_bar("denoiser", 100, start=3) as bar:
        bar.note("loss 1.5")
        for _ in range(20):
            bar.advance()
    lines = said.getvalue().split("\n")
    assert any(line.startswith("denoiser ") and line.endswith("/100, loss 1.5") for line in lines), lines
    assert 2 < len(lines) < 15
