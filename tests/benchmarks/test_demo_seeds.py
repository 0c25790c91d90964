"""The demo over many seeds: what is read of a summary, and what the table says."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks import demo_seeds
from unpersonal.core.errors import PolicyRefused

SUMMARY = json.loads((Path(__file__).parents[1] / "data" / "demo_summary.json").read_text(encoding="utf-8"))


@pytest.fixture
def demos(monkeypatch):
    """Demos that take no time: seed 2 is refused, the others are released."""

    def demo(study, *, seed):
        (study / "release").mkdir(parents=True)
        study.with_name(study.name + "-images").mkdir()
        verdict = "inconclusive" if seed == 2 else "pass"
        summary = SUMMARY | {"audit": SUMMARY["audit"] | {"verdict": verdict}}
        (study / "summary.json").write_text(json.dumps(summary))
        if seed == 2:
            raise PolicyRefused(["the audit is inconclusive"])
        (study / "release" / "manifest.json").write_text("{}")

    monkeypatch.setattr(demo_seeds, "demo", demo)


def test_rows_hold_what_the_summary_says_and_nothing_is_left(demos, tmp_path):
    row = demo_seeds.row_of(tmp_path / "demo-1", 1)
    primary = {r["name"]: r["upper"] for r in SUMMARY["audit"]["primary"]}
    assert row["audit"]["membership_upper"] == primary["membership"] and row["released"]
    assert row["run"]["seconds"] == pytest.approx(sum(SUMMARY["seconds"].values()))
    assert list(tmp_path.iterdir()) == []


def test_the_table_counts_releases_and_verdicts(demos, tmp_path):
    rows = [demo_seeds.row_of(tmp_path / f"demo-{seed}", seed) for seed in (1, 2, 3, 4)]
    text = demo_seeds.table(rows)
    # exact binomial interval of 3 of 4
    assert "| end in a release | 3 | 19.4% to 99.4% |" in text and "| audit says inconclusive | 1 |" in text
    assert "the audit is inconclusive" in text and demo_seeds.table([]) == "no seed was run"
