"""Other conditions than features, the whole way: texts and labels with a share unlabelled, and none at all."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pandas as pd
import pytest

from tests.studies import LOOSE, PEOPLE, call, change_settings, new_study
from unpersonal.phantom import write_phantom

pytestmark = pytest.mark.slow

FINDINGS = ("No Finding", "Pleural Effusion", "Cardiomegaly")
OWN, SHARED = "Zwetschkenbaum", "Quittenmarmelade"
"""Words of the reports: one that a single person's report holds, and one that all of them hold."""


@pytest.fixture(scope="module")
def images(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("phantom") / "images"
    write_phantom(folder, subjects=PEOPLE, seed=3, size=32, findings=FINDINGS)
    return folder


def test_reports_and_labels_of_a_share(images, tmp_path):
    rows = []
    for path in sorted(images.rglob("*.png")):
        name = path.relative_to(images).as_posix()
        subject = re.search(r"sub-\d+", name).group()
        label, number = path.relative_to(images).parts[0], int(subject[4:])
        text = f"{SHARED}: {label}." + (f" Name: {OWN}." if number == 5 else "")
        rows.append((name, subject, "" if number % 8 == 5 else label, text))
    table = tmp_path / "table.csv"
    pd.DataFrame(rows, columns=["image", "subject", "label", "report"]).to_csv(table, index=False)
    study = tmp_path / "study"
    words = ("--layout", "table", "--root", images, "--text-column", "report", "--missing", "predict")
    done = call("init", study, "--images", table, *words, "--preset", "tiny")
    assert done.returncode == 0, done.stderr
    assert "Nobody labelled" in done.stdout
    change_settings(study, {**LOOSE, "features.condition": "label+text"})
    done = call("run", study, "--json")
    assert done.returncode == 0, done.stderr
    summary = json.loads(done.stdout)

    bare = sum(number % 8 == 5 for number in range(1, PEOPLE + 1))
    assert summary["cohort"]["unlabelled_subjects"] == summary["gate"]["predicted_labels"]["subjects"] == bare
    assert summary["features"]["condition"] == "label+text" and summary["features"]["text_from"] == "reports"
    assert not (study / "features" / "features.npy").exists()
    predicted = summary["synthesis"]["released_with_predicted_labels"]
    assert 0 < predicted < summary["synthesis"]["released"]
    card = (study / "release" / "README.md").read_text()
    assert f"Of these images {predicted if predicted >= 5 else '<5'} were drawn" in card
    evidence = json.loads((study / "release" / "evidence.json").read_text())
    assert evidence["gate"]["predicted_labels"]["calibration_error"] is not None
    released = pd.read_csv(study / "release" / "labels.csv")["label"]
    assert set(released) <= set(FINDINGS)

    # released labels are the given ones, or those predicted for the source
    from unpersonal.cohort.table import load_cohort
    from unpersonal.judges.predicted import complete_cohort

    cohort = load_cohort(study)
    whole = complete_cohort(study, cohort)
    ledger = pd.read_parquet(study / "candidates" / "ledger.parquet")
    sources = ledger.loc[ledger["selected"], "source"].to_numpy()
    chosen = json.loads((study / "candidates" / "selected_labels.json").read_text())
    assert chosen == [whole.labels[row] for row in sources] and all(chosen)
    assert predicted == int((~cohort.labelled[sources]).sum())

    # what a report says stays in the one file that holds the reports
    for marker in (OWN, SHARED):
        for form in (marker.encode(), marker.lower().encode()):
            assert form not in (done.stdout + done.stderr).encode()
            holders = [
                p.relative_to(study).as_posix() for p in study.rglob("*") if p.is_file() and form in p.read_bytes()
            ]
            assert holders in ([], ["texts.parquet"]), holders
    assert [p.name for p in study.rglob("*") if p.is_file() and SHARED.encode() in p.read_bytes()] == ["texts.parquet"]

    again = call("run", study)
    assert again.returncode == 0 and "fresh" in again.stderr
    assert json.loads(call("status", study, "--json").stdout)["cohort"] == "fresh"
    assert "limits are looser" in call("verify", study / "release").stderr


def test_without_conditions(images, tmp_path):
    study = new_study(tmp_path / "study", images, {**LOOSE, "features.condition": "uncond"})
    done = call("run", study, "--json")
    assert done.returncode == 0, done.stderr
    summary = json.loads(done.stdout)
    assert summary["features"] == {"condition": "uncond", "condition_length": 0}
    assert json.loads((study / "models" / "diffusion" / "denoiser.json").read_text())["label_dim"] == 0
    assert summary["release"]["released"] is True and summary["synthesis"]["released"] > 0
    assert "nobody had labelled" not in (study / "release" / "README.md").read_text()
