"""A summary is read as it was written."""

from __future__ import annotations

import pytest

from unpersonal.core.errors import InputError
from unpersonal.report.summary import Summary

from .example import DEMO


def test_a_summary_is_read_as_it_was_written() -> None:
    assert Summary.from_json(DEMO, where="x").to_json() == DEMO
    few = {
        "seed": 3,
        "seconds": {"cohort": 1.0},
        "cohort": DEMO["cohort"],
        "release": {"released": False, "reasons": []},
    }
    assert Summary.from_json(few, where="x").to_json() == few
    for wrong in ({**DEMO, "surplus": 1}, {**DEMO, "seed": None}, {**few, "metrics": DEMO["metrics"]}, []):
        with pytest.raises(InputError):
            Summary.from_json(wrong, where="x")
