"""Parts on disk: the table is the mark, and what is damaged or foreign is refused."""

from __future__ import annotations

import shutil

import numpy as np
import pytest

from tests.synthesis.conftest import ruled
from unpersonal.core.errors import InputError
from unpersonal.synthesis.parts import COLUMNS, Parts
from unpersonal.synthesis.pipeline import draw_part


def test_parts_cover_the_plan_once(made):
    study = made()
    parts = study.pipeline.parts
    assert [draw for number in range(len(parts)) for draw in parts.draws(number)] == list(range(len(study.plan)))


def test_columns_have_types(made):
    study = made()
    draw_part(0, study.pipeline)
    schema = study.pipeline.parts.read(0).schema
    assert {field.name: str(field.type).replace("double", "float64") for field in schema} == COLUMNS


def test_a_part_without_its_table_is_not_made(made):
    study = made()
    _, table = draw_part(1, study.pipeline)
    table.unlink()
    assert not study.pipeline.parts.made(1)
    draw_part(1, study.pipeline)
    assert study.pipeline.parts.made(1)


@pytest.mark.parametrize("damage", ["truncated table", "truncated images", "no images", "exchanged", "another plan"])
def test_damaged_and_foreign_parts_are_refused_with_one_sentence(made, damage):
    study = made()
    parts = study.pipeline.parts
    images, table = draw_part(0, study.pipeline)
    other_images, other_table = draw_part(1, study.pipeline)
    if damage == "truncated table":
        table.write_bytes(table.read_bytes()[:-40])
    elif damage == "truncated images":
        images.write_bytes(images.read_bytes()[:-40])
    elif damage == "no images":
        images.unlink()
    elif damage == "exchanged":
        shutil.copy(other_table, table)
        shutil.copy(other_images, images)
    else:
        parts = Parts(study.study, study.plan, study.config.chunk, "other")
    with pytest.raises(InputError, match="part of the candidates"):
        parts.made(0)


def test_a_process_killed_while_it_removes_joined_parts_changes_nothing(made, monkeypatch):
    """The parts that are left are not asked for: images that are gone are no damage."""
    from unpersonal.synthesis import stage
    from unpersonal.synthesis.ledger import join

    study = made(lambda images: ruled(np.zeros(len(images)), 0.5))
    parts = study.pipeline.parts
    for number in range(len(parts)):
        draw_part(number, study.pipeline)
    join(parts, study.cohort)
    parts.files(0)[0].unlink()
    work = object.__new__(stage.DrawParts)
    work.files = parts
    assert all(work.made(number) for number in range(len(parts)))
