"""What is said of images that may have text burned in: with and without a reader, and where it failed."""

from __future__ import annotations

import numpy as np

from unpersonal.cohort.inspect.text_checks import TextCheck
from unpersonal.images.text_reader import TextReading

SCORES = np.array([0.0, 2.0, 3.0, 1.9, 5.0])


def test_without_a_reader_all_suspected_images_are_named_with_the_extra():
    check = TextCheck.of(SCORES, None)
    (warning,) = check.suspicions()
    assert check.rows.tolist() == [1, 2, 4] and warning.count == 3 and check.to_json() is None
    assert warning.sentence == "3 images may have text burned into the pixels (nothing was read)"
    assert "unpersonal[ocr]" in warning.how_to_mend and check.notes() == []


def test_kinds_are_told_apart_and_the_most_telling_come_first():
    readings = {1: TextReading("marker"), 2: TextReading("read", 4), 4: TextReading("read", 9)}
    check = TextCheck.of(SCORES, readings)
    (warning,) = check.suspicions()
    assert check.rows.tolist() == [4, 2, 1] and warning.count == 3
    assert "2 with text that was read (up to 9 letters and digits in one)" in warning.sentence
    assert "1 with no more than markers" in warning.sentence and "ocr" not in warning.how_to_mend
    assert check.to_json() == {"marker": 1, "read": 2, "left": 0, "characters": 9}


def test_markers_alone_are_a_note_and_no_failure_takes_a_warning_away():
    harmless = {1: TextReading("marker"), 2: TextReading("none"), 4: TextReading("marker")}
    check = TextCheck.of(SCORES, harmless)
    assert check.suspicions() == [] and "2 with no more than markers" in check.notes()[0]
    for spoiled in ({**harmless, 4: TextReading("failed")}, {1: harmless[1], 2: harmless[2]}):
        check = TextCheck.of(SCORES, spoiled)
        assert check.suspicions()[0].count == 3 and check.notes() == []
    assert "1 in which the reader failed" in TextCheck.of(SCORES, {4: TextReading("failed")}).suspicions()[0].sentence
    assert "1 not read" in check.suspicions()[0].sentence
    nothing = TextCheck.of(np.zeros(3), {})
    assert nothing.suspicions() == [] and nothing.notes() == []
