"""Strata of subjects by label."""

from __future__ import annotations

from unpersonal.cohort.strata import subject_strata


def test_stratum_is_the_most_frequent_label_set_and_rare_sets_join_their_rarest_label():
    subjects = ["s"] * 3 + [f"a{i}" for i in range(20)] + [f"b{i}" for i in range(11)] + ["m"]
    labels = [["a"], ["b"], ["b"]] + [["a"]] * 20 + [["b"]] * 11 + [["b", "a"]]
    strata = subject_strata(subjects, labels)
    assert strata["s"] == strata["m"] == ("b",) and strata["a0"] == ("a",)
    many = subject_strata([*subjects, *(f"m{i}" for i in range(10))], [*labels, *([["a", "b"]] * 10)])
    assert many["m"] == many["m3"] == ("a", "b")
    assert subject_strata(["x", "x", "y"], [["b"], ["a"], []]) == {"x": ("a",), "y": ()}
