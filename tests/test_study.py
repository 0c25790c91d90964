"""The schema of study.toml: what is wrong is named by its key."""

from __future__ import annotations

import re

import pytest

from unpersonal.core.config import build_config
from unpersonal.core.errors import InputError
from unpersonal.core.records import StageRecord
from unpersonal.study import Study, StudyConfig, stage_list


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"synthesis": {"guidence": 1}}, "did you mean guidance?"),
        ({"difusion": {}}, "did you mean diffusion?"),
        ({"diffusion": {"channel_mult": [1, -2]}}, "channel_mult"),
        ({"diffusion": {"channel_mult": [0, 1]}}, "channel_mult"),
        ({"diffusion": {"attn_resolutions": [-1]}}, "attn_resolutions"),
        ({"diffusion": {"condition_noise": 1e9}}, "condition_noise"),
        ({"images": {"size": 36}}, "codec: size 36 is not a multiple of patch 8; use 32 or 40"),
        ({"images": {"size": 36}, "codec": {"kind": "kl", "levels": 3}}, "codec: size 36 cannot be halved 3 times"),
        ({"images": {"size": 36}, "codec": {"size": 32}}, "codec.size: unknown key"),
    ],
)
def test_wrong_keys_and_values_are_named(values, said):
    with pytest.raises(InputError, match=re.escape(said)):
        build_config(StudyConfig, {"cohort": {"images": "x"}, **values}, where="study.toml")


def test_how_many_processes_work_makes_no_stage_stale(tmp_path):
    """Neither now, nor against a record that still has the key."""
    engines = [
        Study(tmp_path, build_config(StudyConfig, {"cohort": {"images": "."}, **more}, where="study.toml")).engine
        for more in ({}, {"images": {"workers": 2}, "cluster": {"engine": "ray", "workers": 3}})
    ]
    for stage in stage_list():
        one, other = (engine.settings(stage) for engine in engines)
        assert one == other
        if "images" in stage.tables:
            one["images"]["workers"] = 0
            record = StageRecord(
                stage.name, "", config=one, inputs={}, outputs={}, figures={}, seconds=0.0, versions={}, plugins=[]
            )
            assert engines[1]._other_settings(stage, record) == ""
