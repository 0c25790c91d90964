from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from PIL import Image

from benchmarks import volume
from benchmarks.rows import Rows
from benchmarks.volume import attack_table, audited, curves, line, main, of_rows, subsample, taught, view, volume_of
from tests.studies import cohort_of, write_study
from unpersonal.cohort.soft_labels import rounded
from unpersonal.core.errors import InputError
from unpersonal.core.files import write_json
from unpersonal.report.summary import Summary
from unpersonal.synthesis.selected import load_selected

LABELS = [["a"]] * 700 + [["b"]] * 290 + [["a", "b"]] * 10


def test_a_smaller_volume_is_within_the_larger_and_has_its_shares() -> None:
    names = np.array(["|".join(row) for row in LABELS])
    whole = subsample(LABELS, len(LABELS), 0)
    assert whole.tolist() == list(range(len(LABELS)))
    before = set(whole.tolist())
    for count in (900, 500, 101, 10):
        rows = subsample(LABELS, count, 0)
        assert len(rows) == count and set(rows.tolist()) <= before
        for name in np.unique(names):
            share = (names == name).sum() * count / len(names)
            assert abs((names[rows] == name).sum() - share) <= 1.5, (count, name)
        before = set(rows.tolist())
    assert subsample(LABELS, 500, 0).tolist() != subsample(LABELS, 500, 1).tolist()


def test_rows_of_one_label_are_taken_at_random() -> None:
    rows = subsample([["a"]] * 4000, 2000, 0)
    # not the first half, nor every other row
    assert 900 < (rows < 2000).sum() < 1100 and 900 < (rows % 2).sum() < 1100


def test_volumes_are_numbers_or_times_the_train_images() -> None:
    assert [volume_of(word, 400) for word in ("1000", "1x", "2.5x")] == [1000, 400, 1000]
    for word in ("0", "x", "many", "-1x"):
        with pytest.raises(InputError, match="No volume"):
            volume_of(word, 400)


def test_a_view_has_the_selected_images_alone_and_leaves_the_study_as_it_is(tmp_path: Path) -> None:
    images = np.arange(6 * 16, dtype=np.uint8).reshape(6, 1, 4, 4)
    cohort = cohort_of(["p", "q"], ["a", "b"])
    study = write_study(tmp_path / "study", cohort, images[:2], selected=(images, [["a"], ["b"]] * 3))
    before = {path: path.read_bytes() for path in study.rglob("*") if path.is_file()}
    soft = rounded(np.linspace(0, 1, 12).reshape(6, 2), ("a", "b"), exclusive=True)
    chosen = of_rows(replace(load_selected(study), soft=soft), np.array([1, 4]))
    folder = view(study, tmp_path / "view", chosen)
    (folder / "attempts.jsonl").write_text("an audit that was killed", encoding="utf-8")
    assert view(study, tmp_path / "view", chosen) == folder
    assert not (folder / "attempts.jsonl").exists()
    found = load_selected(folder)
    assert np.array_equal(found.images, images[[1, 4]]) and found.labels == [["b"], ["a"]]
    assert (folder / "store" / "images.npy").read_bytes() == (study / "store" / "images.npy").read_bytes()
    assert before == {path: path.read_bytes() for path in study.rglob("*") if path.is_file()}
    assert found.soft is not None and np.array_equal(found.soft.thousandths, soft.thousandths[[1, 4]])


def test_probabilities_that_are_learnt_from_sum_to_one_exactly() -> None:
    rng = np.random.default_rng(0)
    soft = rounded(rng.dirichlet([0.3, 1.0, 1.0], 500), ("c", "a", "d"), exclusive=True)
    found = taught(soft, ("a", "b", "c", "d"))
    assert (found.sum(axis=1) == 1).all() and (found[:, 1] == 0).all()
    assert np.abs(found[:, [2, 0, 3]] - soft.probabilities).max() < 0.003
    several = rounded(rng.random((5, 2)), ("a", "b"), exclusive=False)
    assert np.abs(taught(several, ("a", "b")) - several.probabilities).max() < 0.001


def audit_row(images: int, upper: float) -> dict[str, Any]:
    return {
        "images": images,
        "left": list(range(images - 1)),
        "verdict": "pass",
        "profile": "open",
        "reasons": [],
        "membership": [upper - 0.02, upper - 0.05, upper],
        "attacks": {"distance: AUROC": {"value": upper - 0.02, "upper": upper}},
    }


@pytest.fixture
def out(tmp_path: Path) -> Path:
    rows = Rows(tmp_path / "rows.jsonl", study="s", condition="label")
    for images, auroc in ((100, 0.8), (1000, 0.9)):
        rows.measured(lambda n=images: audit_row(n, 0.5 + n / 20_000), what="audit", labels="hard", images=images)
        figures = {"auroc": [auroc, auroc - 0.02, auroc + 0.01], "auroc_real": [0.92, 0.9, 0.94]}
        rows.measured(lambda f=figures: f, what="utility", labels="hard", images=images)
    rows.measured(lambda: audit_row(5000, 0.9), what="audit", labels="hard", images=5000)
    return tmp_path / "rows.jsonl"


def test_the_curves_are_of_volumes_with_both_figures(out: Path) -> None:
    (curve,) = curves(Rows(out).all())
    assert curve.images.tolist() == [100, 1000] and curve.real == 0.92
    assert curve.auroc[:, 0].tolist() == [0.8, 0.9]
    assert curve.membership[:, 2] == pytest.approx([0.505, 0.55])
    assert curves([]) == []


def test_the_picture_is_drawn_by_a_command(out: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "img" / "volume.png"
    assert main(["--picture", str(path), "--out", str(out)]) == 0
    with Image.open(path) as picture:
        assert picture.size > (500, 400) and np.asarray(picture.convert("L")).std() > 5
    assert main(["--picture", str(path), "--out", str(tmp_path / "none.jsonl")]) == 2
    assert main(["--out", str(out)]) == 2
    assert "No volume is measured" in capsys.readouterr().err


def test_audits_of_studies_are_drawn_without_recipients(
    tmp_path: Path, demo_summary: Summary, monkeypatch: pytest.MonkeyPatch
) -> None:
    studies = [tmp_path / "1x", tmp_path / "3x"]
    for number, study in enumerate(studies, 1):
        figures = demo_summary.figures.audit
        assert figures is not None
        write_json(study / "audit" / "audit.json", replace(figures, released=300 * number).to_json())
    config = SimpleNamespace(config=SimpleNamespace(features=SimpleNamespace(condition="label")))
    monkeypatch.setattr(volume.Study, "open", lambda _: config)
    curve = audited(studies[::-1])
    assert curve.images.tolist() == [300, 600] and np.isnan(curve.auroc).all() and curve.name == "label conditions"
    path = tmp_path / "volume.png"
    assert main(["--picture", str(path), "--audited", *map(str, studies)]) == 0 and path.is_file()
    write_json(studies[0] / "audit" / "audit.json", replace(figures, primary=None).to_json())
    assert main(["--picture", str(path), "--audited", *map(str, studies)]) == 2


def test_tables_name_every_attack_and_say_what_is_not_known(out: Path) -> None:
    audits = [row for row in Rows(out).all() if row["key"]["what"] == "audit"]
    audits[0] |= {"attacks": {}}
    table = attack_table(audits)
    assert "| distance: AUROC | not run | 0.530 (0.550) | 0.880 (0.900) |" in table
    useful = {"auroc": [0.9, 0.88, 0.92], "gap": [None, 1.0], "seconds": 90.0}
    words = line("1x", audits[1] | {"seconds": 60.0}, useful, None)
    assert "| 1x, hard | 999 of 1,000 |" in words
    assert "not known (1.000)" in words and "not known, 1.0, 1.5" in words
