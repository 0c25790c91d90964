"""Who may see the review page: one browser on this machine, by a link that works once.

Every request is refused unless it names this server as its host (a name that somebody made point here does not do:
DNS rebinding), comes from the page itself or from nowhere (cross-site requests), and carries the cookie that the link
was exchanged for.
"""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Awaitable, Callable, MutableMapping
from http.cookies import CookieError, SimpleCookie
from typing import Any
from urllib.parse import parse_qs

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

SAFE = ("GET", "HEAD")
HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; img-src 'self'; style-src 'self'; script-src 'self'; connect-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "Cache-Control": "no-store",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
"""Sent with every answer: nothing is loaded from elsewhere, framed, stored or guessed at."""


class Guard:
    """Lets requests through to `app` from the one browser that was first to show the `token`."""

    def __init__(self, app: App, *, port: int, token: str | None = None) -> None:
        self._app, self.token = app, token or secrets.token_urlsafe(32)
        self._hosts = {f"{name}:{port}" for name in ("127.0.0.1", "localhost")}
        self.cookie, self._session, self._used = f"unpersonal-review-{port}", secrets.token_urlsafe(32), False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See the ASGI specification."""
        if scope["type"] != "http":
            return
        guarded = _with_headers(send)
        if refused := self._foreign(scope):
            await _answer(guarded, 403, refused)
        elif scope["path"] == "/" and (given := _query(scope, "token")) is not None:
            await self._exchange(scope, given, guarded)
        elif not self._known(scope):
            await _answer(guarded, 403, "Open the link that `unpersonal review` printed; it works once.")
        else:
            await self._app(scope, receive, guarded)

    def _foreign(self, scope: Scope) -> str:
        """Why a request is none of the page's own; empty where it may be one."""
        hosts, origins = _headers(scope, "host"), _headers(scope, "origin")
        if len(hosts) != 1 or hosts[0].lower() not in self._hosts:
            return "This page is at 127.0.0.1 alone."
        if any(origin != f"http://{hosts[0].lower()}" for origin in origins) or len(origins) > 1:
            return "Another site asked for this."
        if not origins and scope["method"] not in SAFE:
            return "What changes anything must say where it comes from."
        sites = _headers(scope, "sec-fetch-site")
        # the link may be opened from anywhere, such as a page of mail
        link = scope["method"] == "GET" and scope["path"] == "/" and _query(scope, "token") is not None
        if any(site not in ("same-origin", "none") for site in sites) and not link:
            return "Another site asked for this."
        return ""

    async def _exchange(self, scope: Scope, given: str, send: Send) -> None:
        """Give the first who shows the token a cookie in its place."""
        if scope["method"] != "GET":
            await _answer(send, 405, "The link is there to be opened.", {"Allow": "GET"})
        elif not hmac.compare_digest(given.encode(), self.token.encode()):
            await _answer(send, 403, "This link is wrong. Copy it anew from the terminal.")
        elif self._used and not self._known(scope):
            await _answer(
                send, 403, "This link was used already. If that was not you, end the review and give the command again."
            )
        else:
            self._used = True
            cookie = f"{self.cookie}={self._session}; Path=/; HttpOnly; SameSite=Strict"
            await _answer(send, 303, "", {"Location": "/", "Set-Cookie": cookie})

    def _known(self, scope: Scope) -> bool:
        """Whether a request carries the cookie."""
        cookies: SimpleCookie = SimpleCookie()
        try:
            for header in _headers(scope, "cookie"):
                cookies.load(header)
        except CookieError:
            return False
        found = cookies.get(self.cookie)
        return found is not None and hmac.compare_digest(found.value.encode(), self._session.encode())


def _headers(scope: Scope, name: str) -> list[str]:
    return [value.decode("latin-1") for key, value in scope["headers"] if key.lower() == name.encode()]


def _query(scope: Scope, name: str) -> str | None:
    """The one value of a parameter; None where it is not there, `` where there are several."""
    values = parse_qs(scope.get("query_string", b"").decode("latin-1"), keep_blank_values=True).get(name)
    return None if values is None else values[0] if len(values) == 1 else ""


def _with_headers(send: Send) -> Send:
    """Send with the headers that every answer has."""

    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            fixed = {name.lower().encode(): value.encode() for name, value in HEADERS.items()}
            own = [(name, value) for name, value in message.get("headers", []) if name.lower() not in fixed]
            message = {**message, "headers": [*own, *fixed.items()]}
        await send(message)

    return sending


async def _answer(send: Send, status: int, text: str, headers: dict[str, str] | None = None) -> None:
    body = text.encode()
    told = {"Content-Type": "text/plain; charset=utf-8", "Content-Length": str(len(body)), **(headers or {})}
    raw = [(name.lower().encode(), value.encode()) for name, value in told.items()]
    await send({"type": "http.response.start", "status": status, "headers": raw})
    await send({"type": "http.response.body", "body": body})
