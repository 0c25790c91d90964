"""What is said of a check that is too weak."""

from __future__ import annotations

from unpersonal.diffusion.copy_check import CONFIRMED, sight
from unpersonal.diffusion.watch import too_weak
from unpersonal.metrics.exceedances import POWER, least_count, plan


def test_who_has_few_held_out_people_is_told_what_would_help() -> None:
    said = too_weak(plan(64, 100, 0.05))
    assert "64 samples" in said and "100 held-out people" in said and "5 %" in said
    count = least_count(100, 0.05, asked=POWER / CONFIRMED)
    assert count is not None and f"monitor_samples = {count}" in said
    assert sight(plan(count, 100, 0.05)) >= POWER > sight(plan(64, 100, 0.05))
    assert "hold out more people" in too_weak(plan(128, 30, 0.05)), "no number of samples makes up for that"
    assert "max_match_rate = 0.05" in too_weak(plan(128, 400, 0.9)) and "match_power" in said
