"""To whom progress is told."""

from __future__ import annotations

import logging
import sys

import pytest

from unpersonal.core.errors import PolicyRefused
from unpersonal.core.progress import console, progress_bar
from unpersonal.core.telling import Progress, listener, shown, stage_progress, told_to


def test_bars_of_a_stage_add_up_and_end_at_the_total(capfd):
    events = []
    with told_to(events.append), stage_progress("audit"):
        with progress_bar("first", 4, start=1) as bar:
            bar.advance()
            bar.note("loss 2")
            bar.advance(9)
        with stage_progress("inner"), progress_bar("second", 10):
            console.print("too few people: [cohort] val")
    counted = [(event.done, event.total) for event in events]
    # begun; the bar with one step done, one more, the rest and no more than it; the next bar, a word, its end; ended
    assert counted == [(0, 1), (1, 5), (2, 5), (4, 5), (4, 5), (4, 15), (4, 15), (14, 15), (15, 15)]
    assert events[0] == Progress("audit", 0, 1, "") and events[-1] == Progress("audit", 15, 15, "")
    assert all(event.stage == "audit" for event in events)
    assert "too few people: [cohort] val" in [event.note for event in events]
    assert "first, loss 2" in [event.note for event in events]
    assert capfd.readouterr() == ("", "")


def test_nobody_is_told_where_no_callback_is_given(capfd):
    with told_to(None), stage_progress("audit"), progress_bar("work", 3) as bar:
        bar.advance()
        console.print("anything")
    assert capfd.readouterr() == ("", "")
    with told_to(None):
        assert listener() is not None
    assert listener() is None


def test_a_command_shows_what_is_silent_elsewhere(capfd):
    with shown(), told_to(None):
        assert listener() is None
        console.print("told: [policy] profile", style="bold")
    assert capfd.readouterr().err == "told: [policy] profile\n"


def test_a_callback_is_kept_by_what_is_called_within():
    events = []
    with told_to(events.append), told_to(None), stage_progress("inner"):
        pass
    assert [event.stage for event in events] == ["inner", "inner"]


def test_a_stage_that_fails_is_not_complete_and_one_that_refuses_is():
    events = []
    with pytest.raises(ValueError, match="broken"), told_to(events.append), stage_progress("one"):
        raise ValueError("broken")
    assert events[-1].done < events[-1].total
    with pytest.raises(PolicyRefused), told_to(events.append), stage_progress("two"):
        raise PolicyRefused(["too near"])
    assert events[-1] == Progress("two", 1, 1, "refused by the policy")


def test_warnings_are_written_by_commands_alone(capfd):
    from unpersonal.core.terminal import show_warnings

    logger = logging.getLogger("unpersonal.metrics.evaluate")
    parent = logging.getLogger("unpersonal")
    handlers = list(parent.handlers)
    try:
        parent.handlers[:] = [each for each in handlers if isinstance(each, logging.NullHandler)]
        logger.warning("unheard")
        assert capfd.readouterr().err == ""
        show_warnings()
        show_warnings()
        logger.warning("heard")
        sys.stderr.flush()
        assert capfd.readouterr().err == "heard\n"
    finally:
        parent.handlers[:] = handlers
