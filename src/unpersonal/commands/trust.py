"""By what a recipient knows that a release is its publisher's: options that commands share."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from ..release.signature import Trust

KeyOption = Annotated[Path | None, typer.Option("--key", help="The publisher's public key (PEM): check the signature.")]
ChainOption = Annotated[
    list[Path] | None,
    typer.Option("--certificate-chain", help="Certificates (PEM) that are trusted, instead of a key; may be repeated."),
]
NoticeOption = Annotated[
    Path | None, typer.Option("--notice", help="A notice of withdrawal that does not lie beside the release.")
]
AnchorsOption = Annotated[
    Path | None,
    typer.Option("--trust-anchors", help="Certificates (PEM) to which the C2PA signature of every image must lead."),
]


def trusted(
    key: Path | None, certificate_chain: list[Path] | None, notice: Path | None, anchors: Path | None = None
) -> Trust:
    """What the options say together."""
    from ..release.signature import Trust

    return Trust(key, tuple(certificate_chain or ()), notice, anchors)
