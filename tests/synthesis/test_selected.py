"""Selected images that the audit dropped are gone for everybody after it; where that is not known nothing is left."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.studies import drop_selected, write_selected
from unpersonal.core.errors import InputError
from unpersonal.core.files import read_json, write_json
from unpersonal.synthesis.selected import DROPPED, load_released, load_selected


@pytest.fixture
def study(tmp_path: Path) -> Path:
    images = np.random.default_rng(0).integers(0, 256, (6, 1, 8, 8), dtype=np.uint8)
    write_selected(tmp_path, images, [["a"], ["b"]] * 3, ["a", "b"])
    return tmp_path


def test_what_was_dropped_is_gone(study: Path) -> None:
    whole = load_selected(study)
    drop_selected(study, [4, 1])
    left = load_released(study)
    assert left.dropped == (1, 4) and len(left) == 4
    np.testing.assert_array_equal(left.images, whole.images[[0, 2, 3, 5]])
    np.testing.assert_array_equal(left.targets, whole.targets[[0, 2, 3, 5]])
    assert left.labels == [["a"], ["a"], ["b"], ["b"]]


def test_a_missing_list_refuses(study: Path) -> None:
    (study / DROPPED).unlink()
    with pytest.raises(InputError, match="not known which images"):
        load_released(study)


@pytest.mark.parametrize("rows", [[], [1], [1, 4, 5], [4, 1], [1, 9], None, "1"])
def test_an_altered_list_refuses(study: Path, rows: object) -> None:
    drop_selected(study, [1, 4])
    write_json(study / DROPPED, {**read_json(study / DROPPED), "rows": rows})
    with pytest.raises(InputError, match="not that of these images"):
        load_released(study)


def test_a_list_of_other_images_refuses(study: Path) -> None:
    drop_selected(study, [1])
    kept = (study / DROPPED).read_bytes()
    write_selected(study, load_selected(study).images[::-1].copy(), [["a"], ["b"]] * 3, ["a", "b"])
    (study / DROPPED).write_bytes(kept)
    with pytest.raises(InputError, match="not that of these images"):
        load_released(study)
