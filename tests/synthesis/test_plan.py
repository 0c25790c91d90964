"""The plan by brute force: evenness, shares, limits, rare label sets, and the same in every process."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter

import numpy as np
import pytest

from tests.studies import cohort_of
from unpersonal.core.config import build_config
from unpersonal.core.errors import InputError
from unpersonal.judges.teachers import NOBODY, deal_folds
from unpersonal.synthesis.config import SynthesisConfig
from unpersonal.synthesis.plan import make_plan, nested

SETS = {"a": 40, "a|b": 22, "b": 9, "c": 60}


def cohort(seed=0, sets=SETS, unlabelled=()):
    rng = np.random.default_rng(seed)
    subjects, labels, splits = [], [], []
    for name, people in sets.items():
        for person in range(people):
            for _ in range(int(rng.integers(1, 4))):
                subjects.append(f"{name}-{person}")
                labels.append(name.split("|"))
                splits.append("train")
    for held_out in ("a", "c"):
        subjects += [f"test-{held_out}-{i}" for i in range(15)]
        labels += [[held_out]] * 15
        splits += ["test"] * 15
    bare = [subject in unlabelled for subject in subjects]
    return cohort_of(subjects, labels, splits, classes=["a", "b", "c"], unlabelled=bare if any(bare) else None)


def planned(made, plan):
    labels = made.labels
    return Counter("|".join(labels[row]) for row in plan.sources)


def check(made, plan, config):
    """What holds of every plan."""
    subjects, splits, labels = made.subjects, made.splits, made.labels
    parts: Counter[str] = Counter()
    for source, partners, label_set in zip(plan.sources, plan.partners, plan.label_set):
        rows = [int(source), *partners.tolist()]
        people = {subjects[row] for row in rows}
        assert len(rows) == len(people) == config.blend and {splits[row] for row in rows} == {"train"}
        assert {"|".join(labels[row]) for row in rows} == {plan.label_sets[label_set].name}
        parts.update(people)
    assert max(parts.values()) <= max(1, config.largest_share * len(plan))
    assert plan.largest_share == pytest.approx(max(parts.values()) / len(plan))
    counts = planned(made, plan)
    assert {each.name: each.planned for each in plan.label_sets if each.planned} == counts
    for name, people in SETS.items():
        if people < 10:
            assert name not in counts
    return counts


@pytest.mark.parametrize("images", ["1x", "5x", 7, 500])
@pytest.mark.parametrize("labels", ["as-given", "balanced", {"b|a": 3, "c": 1}])
def test_any_volume_and_any_labels(images, labels):
    made = cohort()
    config = SynthesisConfig(images=images, labels=labels, blend=3 if images == 500 else 2)
    plan = make_plan(made, config, 1)
    counts = check(made, plan, config)
    total = config.planned(len(made.rows("train")))
    assert len(plan) + plan.draws_left_out == total and plan.label_sets_left_out == 1
    if labels == "balanced":
        assert plan.draws_left_out == 0 and max(counts.values()) - min(counts.values()) <= 4
    elif labels != "as-given":
        assert counts["a"] == 0 and abs(counts["a|b"] - 0.75 * total) <= 3
    elif total > 100:
        for name in ("a", "a|b", "c"):
            given = np.mean(["|".join(row) == name for row in made.labels[: len(made.rows("train"))]])
            assert abs(counts[name] / total - given) < 0.06
    times = Counter(plan.sources.tolist())
    names = ["|".join(row) for row in made.labels]
    for name in counts:
        own = [times[row] for row in made.rows("train") if names[row] == name]
        assert max(own) - min(own) <= 1


def test_no_planned_count_is_one_of_a_small_label_set():
    for seed in range(30):
        made = cohort(seed % 3)
        subjects, names = made.subjects, np.array(["|".join(row) for row in made.labels])
        for images, labels in (("1x", "as-given"), ("1x", "balanced"), (180, "as-given")):
            plan = make_plan(made, SynthesisConfig(images=images, labels=labels), seed)
            for name, count in planned(made, plan).items():
                own = names == name
                for rows in (own, own & (made.splits == "train")):
                    images_of, people = int(rows.sum()), len(set(subjects[rows]))
                    assert (images_of >= 100 and people >= 100) or count not in (images_of, people)


def test_several_draws_of_a_source_have_other_partners():
    plan = make_plan(cohort(), SynthesisConfig(images="5x"), 0)
    partners: dict[int, set[int]] = {}
    for source, partner in zip(plan.sources.tolist(), plan.partners[:, 0].tolist()):
        partners.setdefault(source, set()).add(partner)
    assert np.mean([len(each) for each in partners.values()]) > 3.5


def test_the_limit_binds_only_where_one_subject_has_very_many_pictures():
    """One of 101 subjects has half of the pictures."""
    uneven = cohort_of(["big"] * 100 + [f"x{i}" for i in range(100)], ["a"] * 200)
    plan = make_plan(uneven, SynthesisConfig(), 0)
    assert len(plan) == 200 and plan.largest_share == pytest.approx(0.25, abs=0.01)
    free = make_plan(uneven, SynthesisConfig(largest_share=1.0), 0)
    assert free.largest_share > 0.45
    tight = make_plan(uneven, SynthesisConfig(largest_share=0.03, images="3x"), 0)
    assert tight.largest_share <= 0.03 and len(tight) > 590
    ordinary = make_plan(cohort(), SynthesisConfig(), 0)
    assert ordinary.largest_share < 0.1
    # twenty people can not all be in a hundredth of the conditions: what cannot be drawn is counted
    few = cohort_of([f"x{i}" for i in range(20)], ["a"] * 20)
    impossible = make_plan(few, SynthesisConfig(largest_share=0.01, images=500), 0)
    assert len(impossible) <= 10 and impossible.draws_left_out >= 490


def test_predicted_labels_hide_nobody():
    sets = {"a": 40, "b": 14}
    made = cohort(sets=sets, unlabelled={f"b-{i}" for i in range(5)})
    # rows without given labels have none here: `complete_cohort` puts the predicted ones there
    table = made.table.copy()
    table["labels"] = [["b"] if str(s).startswith("b-") else row for s, row in zip(table["subject"], table["labels"])]
    completed = made.__class__(table, made.classes, unlabelled=made.unlabelled)
    plan = make_plan(completed, SynthesisConfig(), 0)
    assert plan.label_sets_left_out == 1 and [each.name for each in plan.label_sets] == ["a"]
    enough = make_plan(completed, SynthesisConfig(fewest_subjects=9), 0)
    assert enough.label_sets_left_out == 0


def test_unknown_label_sets_and_too_few_people_are_refused():
    with pytest.raises(InputError, match="label set 'd'"):
        make_plan(cohort(), SynthesisConfig(labels={"d": 1.0}), 0)
    with pytest.raises(InputError, match="No label set has 10 train subjects"):
        make_plan(cohort(), SynthesisConfig(labels={"b": 1.0}), 0)
    with pytest.raises(InputError, match="No label set has 61 train subjects"):
        make_plan(cohort(), SynthesisConfig(fewest_subjects=61), 0)


def test_too_small_a_plan_is_not_called_a_lack_of_people():
    """One source of 12 people: the only image planned is as many as lent labels, and two would show it in half."""
    made = cohort_of([f"s{row // 2}" for row in range(48)], [["a"] if row < 24 else ["b"] for row in range(48)])
    with pytest.raises(InputError, match="So few images are planned"):
        make_plan(made, SynthesisConfig(sources=1), 0)


@pytest.mark.parametrize(
    "wrong",
    [{"images": 0}, {"images": "0x"}, {"images": "many"}, {"images": "-1x"}, {"labels": "even"}, {"labels": {}}]
    + [{"labels": {"a": -1}}, {"labels": {"a": 0}}, {"labels": {"a": float("nan")}}, {"largest_share": 0}]
    + [{"fewest_subjects": 1}, {"rank": "best"}],
)
def test_wrong_settings_are_refused(wrong):
    with pytest.raises(InputError, match=next(iter(wrong))):
        build_config(SynthesisConfig, wrong, where="study.toml")


CODE = """
import pandas as pd
from unpersonal.cohort.table import Cohort
from unpersonal.judges.teachers import NOBODY, deal_folds
from unpersonal.synthesis.config import SynthesisConfig
from unpersonal.synthesis.plan import make_plan, nested
rows = [(f"{i}.png", f"s{i // 2}", [["a", "b"][i % 4 // 2]], "train", f"{i:064x}") for i in range(60)]
table = pd.DataFrame(rows, columns=["image", "subject", "labels", "split", "sha256"])
print(make_plan(Cohort(table, ("a", "b")), SynthesisConfig(images="2x"), SEED).fingerprint)
"""


def test_a_plan_is_the_same_in_every_process(capsys):
    code = CODE.replace("SEED", "5")
    env = {**os.environ, "PYTHONHASHSEED": "77"}
    there = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=env).stdout
    exec(code, {})
    assert capsys.readouterr().out == there
    exec(CODE.replace("SEED", "6"), {})
    assert capsys.readouterr().out != there


@pytest.mark.parametrize("blend", [2, 3])
def test_with_folds_nobody_of_a_draw_taught_the_teacher_of_the_others(blend):
    made = cohort()
    rows = made.rows("train")
    folds = np.full(len(made), NOBODY)
    folds[rows] = deal_folds(
        made.subjects[rows], [made.labels[row] for row in rows], [str(row) for row in rows], 4, seed=2
    )
    config = SynthesisConfig(images="4x", blend=blend)
    plan = make_plan(made, config, 1, folds)
    check(made, plan, config)
    people = np.column_stack([plan.sources, plan.partners])
    for draw in people:
        taught = set(made.subjects[rows[folds[rows] != folds[draw[0]]]])
        assert not taught & set(made.subjects[draw])
    # no label set is lost to its folds
    without = make_plan(made, config, 1)
    assert planned(made, plan).keys() == planned(made, without).keys() and len(plan) >= 0.9 * len(without)


def test_folds_and_shards_nest():
    """All people of a draw are strangers to one teacher and to one denoiser."""
    folds, shards = np.arange(12) % 3, np.arange(12) // 6
    codes = nested(folds, shards)
    assert len(set(codes)) == 6
    for code in set(codes):
        rows = codes == code
        assert len(set(folds[rows])) == 1 == len(set(shards[rows]))
    assert nested(None, None) is None and nested(folds, None) is folds and nested(None, shards) is shards
