"""What may be planned: a volume and label weights of which a plan can be made."""

from __future__ import annotations

import pytest

from unpersonal.core.config import build_config
from unpersonal.core.errors import InputError
from unpersonal.synthesis.config import SynthesisConfig


@pytest.mark.parametrize(("images", "planned"), [("3x", 30), ("0.5x", 5), ("0.01x", 1), (7, 7)])
def test_a_volume_is_a_number_or_times_the_sources(images, planned):
    assert SynthesisConfig(images=images).planned(10) == planned


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("images", "3y"),
        ("images", "0x"),
        ("images", "٣x"),
        ("images", "99999999999x"),
        ("images", 10**12),
        ("images", 0),
        ("labels", "fair"),
        ("labels", {}),
        ("labels", {"a": 0.0}),
        ("labels", {"a": float("nan")}),
        ("labels", {"a": 1e308, "b": 1e308}),
    ],
)
def test_what_no_plan_can_be_made_of_is_refused(key, value):
    with pytest.raises(InputError, match=key):
        build_config(SynthesisConfig, {key: value}, where="study.toml")
