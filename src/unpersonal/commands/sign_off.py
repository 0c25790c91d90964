"""`unpersonal sign-off`: who takes responsibility for what would be released."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..core.errors import InputError, PolicyRefused
from .base import JsonFlag, say, show

if TYPE_CHECKING:
    from ..study import Study


def sign_off(
    study: Annotated[Path, typer.Argument(help="Folder of the study.")],
    name: Annotated[str, typer.Option(help="Who signs. Kept in the study and on private.html alone.")],
    role: Annotated[str, typer.Option(help="In what office; told in the report and in the release's evidence.")],
    note: Annotated[str, typer.Option(help="What else should be kept beside the name.")] = "",
    as_json: JsonFlag = False,
) -> None:
    """Record that a person takes responsibility for what would be released, by its hash; any later change voids it.

    Exit code 3: the policy refuses the release, whoever signs.
    """
    from ..core.places import study_lock
    from ..release.sign_off import add_sign_off
    from ..study import Study

    opened = Study.open(study)
    with study_lock(study):
        entry = add_sign_off(study, what_is_signed(opened), name=name, role=role, note=note)
    if as_json:
        show({"study": str(study), **{key: entry[key] for key in ("name", "role", "note", "signed", "at")}})
        return
    say(f"Signed off by {entry['name']} ({entry['role']}): {entry['signed']}")
    say("The hash stands for all stages up to utility, what was dropped and removed, and the policy.")
    say(f"Any later change needs a new sign-off. Next: unpersonal run {shlex.quote(str(study))}")


def what_is_signed(study: Study) -> str:
    """The hash of what a release would be made of now; it must be complete, and the policy must allow it."""
    from ..release.attempted import attempt_reasons
    from ..release.policy import check
    from ..release.sign_off import AFTER, signed_hash
    from ..study import summary_of

    waits = {name: state for name, state in study.states().items() if name not in AFTER and state.word != "fresh"}
    if waits:
        name, state = next(iter(waits.items()))
        raise InputError(
            f"There is nothing to sign yet: the stage {name} is {state}",
            where=str(study.path),
            how=f"give `unpersonal run {study.path}` first, and read report.html",
        )
    context, policy = study.context, study.config.policy
    figures = summary_of(context).figures
    reasons = check(policy, figures)[0] + attempt_reasons(study.path, figures.audit)
    if reasons:
        raise PolicyRefused(reasons, "the policy refuses this release, and no sign-off changes that")
    records = {stage.name: record for stage in context.stages if (record := context.record(stage.name))}
    return signed_hash(records, policy, study.config.release)
