"""Serves a review on this machine's loopback, until the person has finished or the process is ended."""

from __future__ import annotations

import errno
import socket
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path

from ..core.errors import InputError
from ..core.places import StudyHeld, study_lock
from .review_desk import Desk

LOOPBACK = "127.0.0.1"


def serve_review(
    study: Path, threshold: float | None, *, port: int = 0, anew: bool = False, opened: Callable[[str, Desk], None]
) -> Desk:
    """Serve the review of a study until it ends; `opened` gets its link once, before. Returns what was decided.

    The study is held all the while: a second page, or a run, is an `InputError`, as is a port that is taken. `port` 0
    is any that is free. `anew` begins a review of another selection than the one before was about.
    """
    import uvicorn

    from .review_app import review_app

    try:
        with study_lock(study), closing(_listening(port)) as listener:
            desk = Desk(study, threshold, anew=anew)
            there = int(listener.getsockname()[1])
            server: uvicorn.Server

            def end() -> None:
                server.should_exit = True

            app = review_app(desk, port=there, on_end=end)
            config = uvicorn.Config(
                app,
                access_log=False,  # it would have the token
                log_level="warning",
                lifespan="off",
                ws="none",
                proxy_headers=False,
                server_header=False,
                timeout_graceful_shutdown=2,
                limit_concurrency=64,
            )
            server = uvicorn.Server(config)
            opened(f"http://{LOOPBACK}:{there}/?token={app.token}", desk)
            # Ctrl-C is the usual end
            with suppress(KeyboardInterrupt):
                server.run(sockets=[listener])
            return desk
    except StudyHeld:
        raise InputError(
            "Another process has this study: a run, a sign-off, or another review page",
            where=str(study),
            how="wait for it to end, or end it",
        ) from None


def _listening(port: int) -> socket.socket:
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((LOOPBACK, port))
        listener.listen(64)
    except (OSError, OverflowError) as error:
        listener.close()
        taken = getattr(error, "errno", None) == errno.EADDRINUSE
        raise InputError(
            f"The port {port} {'is taken' if taken else f'cannot be used ({error})'}",
            where="--port",
            how="leave it out, and any free port is used",
        ) from None
    return listener
