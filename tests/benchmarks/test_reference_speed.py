from __future__ import annotations

import pytest

from benchmarks import stopwatch
from benchmarks.reference_speed import DEFAULT, EQUAL, LOOP, REFERENCE, report
from benchmarks.stopwatch import Stopwatch


def test_a_part_within_another_is_taken_off_the_outer(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [0.0]
    monkeypatch.setattr(stopwatch, "now", lambda: clock[0])

    def busy(seconds: float) -> None:
        clock[0] += seconds

    watch = Stopwatch()
    inner = watch.timed("inner", busy)
    with watch.part("outer"):
        busy(2.0)
        inner(4.0)
        with watch.part("second"):
            inner(3.0)
            busy(0.5)
    assert dict(watch.seconds) == {"inner": 7.0, "second": 0.5, "outer": 2.0}


def test_ratios_are_taken_round_by_round(capsys: pytest.CaptureFixture[str]) -> None:
    # the machine was twice as slow in the second round: the ratio is 4 in both
    rows = {
        name: [
            {
                "per_image": seconds * slower,
                "released": 2,
                "candidates": 8,
                "share_of_products": 0.5,
                "parts": {"drawing": seconds * slower / 2},
            }
            for slower in (1, 2)
        ]
        for name, seconds in ((REFERENCE, 8.0), (LOOP, 4.0), (EQUAL, 2.0), (DEFAULT, 0.2))
    }
    report(rows, {"opening": 30.0, "planned": 100})
    lines = {line.split("|")[1].strip(): line for line in capsys.readouterr().out.splitlines() if "|" in line}
    assert "| 4 (4–4) | ≥ 2 | 4.0 | 50% |" in lines[EQUAL]
    assert "| 40 (40–40) | ≥ 20 |" in lines[DEFAULT] and "| 1 (1–1) |  |" in lines[REFERENCE]
    assert lines["drawing"].endswith("| 6e+03 | 3e+03 | 1.5e+03 | 150 |")
