"""`unpersonal export`: a release in another form."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .base import JsonFlag, say, show
from .completion import completing, forms
from .trust import ChainOption, KeyOption, NoticeOption


def export(
    release: Annotated[Path, typer.Argument(help="Folder of a release, or the zip of it.")],
    out: Annotated[Path, typer.Argument(help="Folder of the export; it must not exist.")],
    to: Annotated[
        str,
        typer.Option(
            autocompletion=completing(forms), help="Form: dicom, nifti, parquet or webdataset, or a plug-in's."
        ),
    ],
    modality: Annotated[
        str | None,
        typer.Option(help="What Modality says in DICOM headers (DX, CT, MR, US, …): how such pictures are made. OT."),
    ] = None,
    key: KeyOption = None,
    certificate_chain: ChainOption = None,
    notice: NoticeOption = None,
    as_json: JsonFlag = False,
) -> None:
    """Write a release in another form, with its card, evidence and terms, and the hash of the release.

    The release is checked first: exit codes are those of `unpersonal verify`.
    """
    from .. import verbs
    from ..release.exporting import describe

    figures = verbs.export(
        release, out, to, modality=modality, key=key, certificate_chain=certificate_chain or (), notice=notice
    )
    if as_json:
        show({"out": str(out), **figures.to_json()})
    else:
        say(f"Written: {out} ({describe(figures)})")
