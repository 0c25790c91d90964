"""The matrix for people: tables, Markdown, picture, files."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image
from rich.console import Console

from unpersonal.core.errors import InputError
from unpersonal.utility.matrix_figures import Cell, GapFigures, LabelledSideFigures, MatrixFigures
from unpersonal.utility.matrix_files import check_out, write_matrix
from unpersonal.utility.matrix_picture import matrix_png
from unpersonal.utility.matrix_told import auroc_rows, gap_rows, markdown, print_matrix

ODD = "[b]a|b $x$"


def cell(train: str, test: str, auroc: float, synthetic: bool = False) -> Cell:
    return Cell(
        train=train,
        test=test,
        synthetic=synthetic,
        auroc=auroc,
        auroc_interval=(auroc - 0.02, auroc + 0.02) if test != "far" else None,
        auroc_by_label={"ill": auroc},
        seed_spread=0.01,
        calibration_error=0.05,
    )


def gap(test: str, value: float | None, note: str = "") -> GapFigures:
    upper = 1.0 if value is None else value + 0.01
    return GapFigures(train=ODD, synthetic="s", test=test, gap=value, gap_interval=None, gap_upper=upper, note=note)


SIDE = LabelledSideFigures(
    side=ODD,
    role="train",
    path="/a",
    release=False,
    found=5,
    read=3,
    refused=1,
    ignored=1,
    refused_by_reason={"corrupt": 1},
    refused_by_suffix={".png": 1},
    ignored_by_suffix={},
    labels=("ill", "odd"),
    left_out=("odd",),
    subjects_known=True,
    trained=3,
    tested=0,
)
FIGURES = MatrixFigures(
    labels=("ill",),
    size=64,
    network="small",
    seeds=2,
    steps={ODD: 1200},
    sides=(SIDE,),
    cells=(cell(ODD, "near", 0.91), cell(ODD, "far", 0.8), cell("s", "near", 0.9, True), cell("s", "far", 0.7, True)),
    gaps=(gap("near", 0.01), gap("far", None, "too few test subjects")),
    notes=("a note",),
)


def test_rows_and_columns_are_where_they_belong() -> None:
    assert auroc_rows(FIGURES) == [
        ["trained on", "tested on near", "tested on far"],
        [ODD, "0.910 (0.890 to 0.930)", "0.800 (interval unknown)"],
        ["s (synthetic)", "0.900 (0.880 to 0.920)", "0.700 (interval unknown)"],
    ]
    assert gap_rows(FIGURES)[1] == [f"s for {ODD}", "0.010 (at most 0.020)", "unknown"]
    assert gap_rows(replace(FIGURES, gaps=())) == []


def test_names_are_no_markup() -> None:
    told = markdown(FIGURES)
    assert r"\[b]a\|b $x$" in told and "5 found = 3 read + 1 refused + 1 ignored" in told
    assert len({line.replace(r"\|", "").count("|") for line in told.splitlines() if line.startswith("|")}) == 1
    console = Console(file=io.StringIO(), width=200)
    print_matrix(FIGURES, console)
    printed = console.file.getvalue()  # type: ignore[attr-defined]
    assert ODD in printed and "too few test subjects" in printed and "note: a note" in printed


def test_the_picture_is_the_same_for_the_same_figures() -> None:
    picture = matrix_png(FIGURES)
    assert picture == matrix_png(FIGURES) and picture != matrix_png(replace(FIGURES, gaps=()))
    with Image.open(io.BytesIO(picture)) as opened:
        assert opened.format == "PNG" and opened.width > opened.height


def test_all_forms_are_written_or_the_one_that_is_asked_for(tmp_path: Path) -> None:
    written = write_matrix(tmp_path / "out", FIGURES)
    assert sorted(path.name for path in written) == ["utility.json", "utility.md", "utility.png"]
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == sorted(path.name for path in written)
    assert write_matrix(tmp_path / "one.json", FIGURES) == [tmp_path / "one.json"]
    assert json.loads((tmp_path / "one.json").read_text(encoding="utf-8")) == FIGURES.to_json()
    with pytest.raises(KeyError):
        FIGURES.cell("near", "far")


def test_where_nothing_can_be_written(tmp_path: Path) -> None:
    (tmp_path / "folder.png").mkdir()
    (tmp_path / "file").write_text("", encoding="utf-8")
    side = tmp_path / "side"
    side.mkdir()
    for out, said in (
        (tmp_path / "folder.png", "a folder"),
        (tmp_path / "file", "a file"),
        (side / "a" / "b", "lie in a data set"),
        (side, "lie in a data set"),
    ):
        with pytest.raises(InputError, match=said):
            check_out(out, [side])
    check_out(tmp_path / "out", [side])
    check_out(tmp_path / "out.md", [side, tmp_path / "file"])
