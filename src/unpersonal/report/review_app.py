"""The pages of a review: one page with its script and style, the images, and the way to decide."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import asdict
from importlib import resources
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ..core.errors import InputError
from .review_desk import Action, Desk, Unknown
from .review_guard import Guard

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

LARGEST = 8192
"""Bytes of a request."""
LONGEST_NOTE = 500
STATIC = {"review.js": "text/javascript", "review.css": "text/css"}


class Decided(BaseModel):
    """What a tab sends: a decision about an image, or a note on it. `seen` is the line it knew of that image."""

    model_config = ConfigDict(extra="forbid", strict=True)

    image: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    action: Action
    note: Annotated[str, Field(max_length=LONGEST_NOTE)] = ""
    tab: Annotated[str, Field(pattern=r"^[A-Za-z0-9-]{1,40}$")]
    seen: Annotated[int, Field(ge=0)]


def review_app(desk: Desk, *, port: int, on_end: Callable[[], None], token: str | None = None) -> Guard:
    """The ASGI application of a review at 127.0.0.1:`port`; `on_end` is called when the person has finished."""
    from starlette.applications import Starlette
    from starlette.responses import JSONResponse, PlainTextResponse, Response
    from starlette.routing import Route

    def page(_: Request) -> Response:
        return Response(page_of(desk), media_type="text/html")

    def items(_: Request) -> Response:
        return JSONResponse({"items": items_of(desk), **desk.state()})

    def state(_: Request) -> Response:
        return JSONResponse(desk.state())

    def static(request: Request) -> Response:
        name = request.path_params["name"]
        if name not in STATIC:
            return PlainTextResponse("There is no such file.", 404)
        data = resources.files(__package__).joinpath(f"static/{name}").read_bytes()
        return Response(data, media_type=STATIC[name])

    def released(request: Request) -> Response:
        item = desk.items.get(request.path_params["image"])
        return _picture(None if item is None else desk.material.selected[item.row])

    def real(request: Request) -> Response:
        item, place = desk.items.get(request.path_params["image"]), request.path_params["place"]
        known = item is not None and place < len(item.real)
        return _picture(desk.material.real[item.real[place]] if item is not None and known else None)

    def _picture(image: np.ndarray | None) -> Response:
        if image is None:
            return PlainTextResponse("There is no such image.", 404)
        return Response(png_of(np.asarray(image)), media_type="image/png")

    async def decide(request: Request) -> Response:
        status, answer = await _decide(desk, request)
        return JSONResponse(answer, status)

    def end(_: Request) -> Response:
        on_end()
        return JSONResponse({"ended": True, "counts": desk.counts()})

    def nothing(_: Request) -> Response:
        return Response(status_code=204)

    routes = [
        Route("/", page),
        Route("/items", items),
        Route("/state", state),
        Route("/static/{name}", static),
        Route("/released/{image}.png", released),
        Route("/real/{image}/{place:int}.png", real),
        Route("/favicon.ico", nothing),
        Route("/decide", decide, methods=["POST"]),
        Route("/end", end, methods=["POST"]),
    ]
    return Guard(Starlette(routes=routes), port=port, token=token)


async def _decide(desk: Desk, request: Request) -> tuple[int, dict[str, Any]]:
    """Status and answer of a request that decides."""
    if request.headers.get("content-type", "").split(";")[0].strip().lower() != "application/json":
        return 415, {"error": "A decision is JSON."}
    body = b""
    async for block in request.stream():
        body += block
        if len(body) > LARGEST:
            return 413, {"error": "That is too long."}
    try:
        given = Decided.model_validate_json(body)
    except ValidationError as error:
        return 400, {"error": f"This is no decision: {'; '.join(item['msg'] for item in error.errors())}"}
    if not given.note.isprintable() or (given.note and given.action != "note"):
        return 400, {"error": "A note is one line of text."}
    try:
        answer = desk.decide(given.image, given.action, note=given.note.strip(), tab=given.tab, seen=given.seen)
    except Unknown:
        return 404, {"error": "There is no such image to decide about."}
    except InputError as error:
        return 503, {"error": f"This was NOT saved. {error}"}
    conflict = None if answer.conflict is None else asdict(answer.conflict)
    return 200, {"opinion": asdict(answer.opinion), "conflict": conflict, "counts": desk.counts()}


def items_of(desk: Desk) -> list[dict[str, Any]]:
    """What the page shows of every item; rows of the cohort are not told, names of subjects are."""
    return [
        {
            "image": item.image,
            "reasons": list(item.reasons),
            "real": [desk.material.subjects[row] for row in item.real],
        }
        for item in desk.material.items
    ]


def page_of(desk: Desk) -> str:
    """HTML of the page; every text is escaped."""
    from jinja2 import Environment, StrictUndefined

    template = resources.files(__package__).joinpath("templates/review.html.j2").read_text(encoding="utf-8")
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    return environment.from_string(template).render(
        study=desk.study.resolve().name, mended=desk.mended, longest=LONGEST_NOTE, images=len(desk.items)
    )


def png_of(image: np.ndarray) -> bytes:
    """A uint8 image [C,H,W], grey or RGB, as PNG without metadata."""
    from PIL import Image

    pixels = image[0] if len(image) == 1 else np.moveaxis(image[:3], 0, -1)
    stream = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels)).save(stream, format="PNG")
    return stream.getvalue()
