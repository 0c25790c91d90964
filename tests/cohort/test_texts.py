"""Report texts: kept in a file of their own, refused where a layout has none."""

from __future__ import annotations

import pyarrow.parquet as pq
import pytest

from unpersonal.cohort.read import read
from unpersonal.cohort.stage import run_stage
from unpersonal.cohort.table import load_cohort
from unpersonal.cohort.texts import load_texts
from unpersonal.core.errors import InputError
from unpersonal.layouts.config import CohortConfig
from unpersonal.layouts.listing import ListedImage

from .tables import SMALL, config, write_table


@pytest.mark.slow
def test_texts_are_kept_in_a_file_of_their_own(tmp_path):
    def text(subject, visit):
        return f'"Report, {subject}"' if visit == 0 else ""

    table = write_table(tmp_path, text=text)
    study = tmp_path / "study"
    study.mkdir()
    figures = run_stage(study, config(table, text_column="report"), seed=0, images=SMALL)
    cohort = load_cohort(study)
    wanted = [f"Report, {int(name[:2])}" if name[3] == "0" else "" for name in cohort.table["image"]]
    assert load_texts(study, cohort) == wanted
    assert "Report" not in str(figures) and "Report" not in (study / "understanding.json").read_text()
    assert list(cohort.table.columns) == pq.read_table(study / "cohort.parquet").column_names
    texts = read(config(table, text_column="report"), 0, images=SMALL).texts
    assert texts == wanted and "Report" not in repr(ListedImage("a", "b", (), text="Report"))
    # read again without them, they are gone
    run_stage(study, config(table), seed=0, images=SMALL)
    assert not (study / "texts.parquet").exists()
    with pytest.raises(InputError, match="no column 'findings'"):
        read(config(table, text_column="findings"), 0, images=SMALL)


def test_a_layout_without_texts_refuses_the_option(tmp_path):
    write_table(tmp_path)
    with pytest.raises(InputError, match="text-column"):
        read(
            CohortConfig(
                images=str(tmp_path), subject="file", layout="folder", text_column="report", label_from=r"(?P<label>\d)"
            ),
            0,
        )
