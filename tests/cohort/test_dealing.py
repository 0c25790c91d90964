"""How people were dealt, and who is one because of a shared picture."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.studies import cohort_of
from unpersonal.cohort.dealing import Dealing, divided, join
from unpersonal.cohort.table import load_cohort


def test_who_shares_pictures_is_joined_also_through_others() -> None:
    subjects = ["b", "a", "c", "d", "e", "b"]
    assert join(subjects, [(0, 2), (5, 1)]) == {"a": "a", "b": "a", "c": "a"}
    assert join(subjects, []) == {} and join(subjects, [(0, 5)]) == {}


def test_joining_against_a_search_of_the_graph() -> None:
    rng = np.random.default_rng(0)
    subjects = [f"s{i}" for i in rng.integers(0, 40, 80)]
    links = [(int(a), int(b)) for a, b in rng.integers(0, 80, (25, 2))]
    group = {name: {name} for name in subjects}
    for _ in range(80):
        for a, b in links:
            both = group[subjects[a]] | group[subjects[b]]
            for name in both:
                group[name] = both
    assert join(subjects, links) == {name: min(of) for name, of in group.items() if len(of) > 1}


def test_pairs_of_two_splits() -> None:
    split = {"a": "train", "b": "test", "c": "test"}
    assert divided(["a", "b", "c", "d"], [(1, 0), (0, 1), (1, 2), (0, 3)], split) == (("a", "b"),)


def test_how_people_were_dealt_is_kept(tmp_path: Path) -> None:
    from dataclasses import replace

    dealing = Dealing(dealt=("train", "control"), joined=3, shared=(("a", "b"),), untold=True)
    cohort = replace(cohort_of(["a", "b"], ["x", "y"], ["train", "control"]), dealing=dealing)
    cohort.save(tmp_path)
    assert load_cohort(tmp_path).dealing == dealing and list(load_cohort(tmp_path).rows("control")) == [1]


@pytest.mark.parametrize("bad", [("a",), ("a", "b", "c")])
def test_a_pair_is_two(bad: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match="shared"):
        Dealing(shared=(bad,)).to_json()  # type: ignore[arg-type]
