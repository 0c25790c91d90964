"""The ledger names the matcher that flagged a candidate, and counts first draws by matcher and by split."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from tests.studies import cohort_of
from unpersonal.core.errors import InputError
from unpersonal.core.tensors import save_array, save_tensors
from unpersonal.synthesis.ledger import COLUMNS, MATCHERS, collect, load_ledger

NAMES = ("re-identifier", "zebra", "ape")
SPLITS = ("train", "train", "train", "val", "test", "aux")


def write_shard(path, by, nearest, attempts, selected):
    count = len(by)
    values = {name: np.arange(count) for name in COLUMNS}
    values |= {"source": np.arange(count) % 3, "seed": np.arange(count) + 10 * attempts[0], "guidance": np.ones(count)}
    values |= {"score": np.zeros(count), "distance": np.zeros(count), "attempt": np.array(attempts)}
    values |= {"by": np.array(by), "flagged": np.array(by) >= 0, "nearest": np.array(nearest)}
    values["selected"] = np.array(selected)
    tensors = {name: torch.tensor(value) for name, value in values.items()}
    tensors["sha256"] = torch.arange(count)[:, None].expand(count, 32).to(torch.uint8).contiguous()
    tensors["images"] = torch.zeros(sum(selected), 1, 4, 4, dtype=torch.uint8)
    save_tensors(path, tensors, {MATCHERS: json.dumps(NAMES)})


def test_matchers_are_named_in_the_order_of_the_gate_and_only_first_draws_are_counted(tmp_path):
    cohort = cohort_of([f"s{i}" for i in range(6)], ["a"] * 6, SPLITS)
    save_array(tmp_path / "store" / "images.npy", np.zeros((6, 1, 4, 4), np.uint8))
    first, second = tmp_path / "0.safetensors", tmp_path / "1.safetensors"
    write_shard(first, [-1, 0, 1, 2, 2], [0, 1, 2, 3, 4], [0] * 5, [True, False, False, False, False])
    write_shard(second, [1, -1], [5, 0], [1, 1], [False, True])
    figures = collect(tmp_path, cohort, [0, 1, 2], [first, second], 0)
    assert load_ledger(tmp_path)["by"].tolist() == ["", "re-identifier", "zebra", "ape", "ape", "zebra", ""]
    assert figures.match_rate_before_gate == pytest.approx(0.8)
    assert figures.match_rate_by_matcher == {"re-identifier": 0.2, "zebra": 0.2, "ape": 0.4}
    assert figures.match_rate_by_split == {"train": 0.4, "val": 0.2, "test": 0.2}
    assert figures.released == 2 and figures.match_rate_all_attempts == pytest.approx(5 / 7)


def test_a_study_without_a_ledger_says_which_stage_writes_it(tmp_path):
    with pytest.raises(InputError, match="synthesis"):
        load_ledger(tmp_path)
