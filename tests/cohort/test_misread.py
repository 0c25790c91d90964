"""What programs that read tables make of labels is found out by asking one of them."""

from __future__ import annotations

import pytest

from unpersonal.cohort.inspect.label_checks import suspect_misread
from unpersonal.cohort.misread import MISSING, read_otherwise


@pytest.mark.parametrize(
    ("cells", "told"),
    [
        ((), {}),
        (("virus", "no finding", " NA", "None|virus"), {}),
        (("None", "virus", "N/A", ""), {"None": MISSING, "N/A": MISSING}),
        (("0", "1"), {"0": "0", "1": "1"}),
        (("01", "2"), {"01": "1", "2": "2"}),
        (("1", ""), {"1": "1.0"}),
        (("0", "NA"), {"0": "0.0", "NA": MISSING}),
        (("1e3", "inf"), {"1e3": "1000.0", "inf": "inf"}),
        (("true", "FALSE"), {"true": "True", "FALSE": "False"}),
        (("true", "virus", "7"), {}),
    ],
)
def test_cells(cells: tuple[str, ...], told: dict[str, str]) -> None:
    assert read_otherwise(cells) == told


def test_init_warns_of_labels_that_come_out_as_something_else() -> None:
    assert suspect_misread([["0"], ["1"], []]) != [] and suspect_misread([["0"], ["1"]]) == []
    assert suspect_misread([["None", "virus"], ["virus"]]) == []
    [found] = suspect_misread([["None"], ["virus"], ["None"]])
    assert (found.kind, found.count) == ("labels-read-otherwise", 1)
    assert "'None' as a missing value" in found.sentence and "keep_default_na=False" in found.how_to_mend
