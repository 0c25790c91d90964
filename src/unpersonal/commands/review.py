"""`unpersonal review`: a page on this machine on which a person looks at borderline images and removes some."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..core.errors import InputError
from .base import JsonFlag, say, show

if TYPE_CHECKING:
    from ..report.review_desk import Desk


def review(
    study: Annotated[Path, typer.Argument(help="Folder of the study, synthesis done.")],
    port: Annotated[int, typer.Option(help="Port on 127.0.0.1; 0: any that is free.", min=0, max=65535)] = 0,
    no_browser: Annotated[bool, typer.Option("--no-browser", help="Print the link and open no browser.")] = False,
    anew: Annotated[
        bool, typer.Option("--anew", help="Go on although the review before was about another selection of images.")
    ] = False,
    as_json: JsonFlag = False,
) -> None:
    """Look at the images nearest to real people, and remove some: a page for one browser on this machine.

    What is removed stays out of audit and release; nothing can be added. Ctrl-C, or the page's button, ends it.
    """
    from ..judges.figures import GateFigures
    from ..report.review_server import serve_review
    from ..study import Study

    opened = Study.open(study)
    states = opened.states("synthesis")
    if waiting := [f"{name} is {state}" for name, state in states.items() if state.word != "fresh"]:
        raise InputError(
            f"There is nothing to review yet: {waiting[0]}",
            where=str(study),
            how=f"give `unpersonal run {study} --until synthesis` first",
        )
    gate = opened.context.figures("judges")
    desk = serve_review(
        study,
        gate.threshold if isinstance(gate, GateFigures) else None,
        port=port,
        anew=anew,
        opened=lambda link, desk: _opened(link, desk, browser=not no_browser, aside=as_json),
    )
    counts = desk.counts()
    if as_json:
        show({"study": str(study), **counts, "ledger": str(study / "review.jsonl")})
        return
    say(
        f"{counts['decided']} of {counts['images']} images decided on, {counts['removed']} of them removed. "
        f"All is in {study / 'review.jsonl'}. Next: unpersonal run {shlex.quote(str(study))}"
    )


def _opened(link: str, desk: Desk, *, browser: bool, aside: bool) -> None:
    """Say where the page is, on stderr where it stands `aside` of a document, and open it."""
    if desk.mended:
        typer.echo(f"note: the ledger was interrupted: {desk.mended}.", err=True)
    if not desk.items:
        typer.echo("note: there is no image to look at.", err=True)
    # read by whoever waits for the link, before the server ends
    stream = sys.stderr if aside else sys.stdout
    print(f"Review page, for one browser, once: {link}", file=stream, flush=True)
    print("It shows real people. Ctrl-C ends it; what was decided is kept.", file=stream, flush=True)
    if browser:
        import webbrowser

        webbrowser.open(link)
