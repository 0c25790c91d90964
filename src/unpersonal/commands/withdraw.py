"""`unpersonal withdraw`: a notice that nobody should use a release any more."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .base import JsonFlag, say, show


def withdraw(
    what: Annotated[Path, typer.Argument(metavar="RELEASE|STUDY", help="Folder or zip of a release, or its study.")],
    reason: Annotated[str, typer.Option(help="Why nobody should use it: published with the notice.")],
    key: Annotated[
        Path | None,
        typer.Option(help="Private key (PEM) that signs the notice; absent: that of the study's [release] sign."),
    ] = None,
    certificate: Annotated[Path | None, typer.Option(help="Certificate of the key (PEM).")] = None,
    certificate_chain: Annotated[
        list[Path] | None, typer.Option(help="Certificates that vouch for that one; may be repeated.")
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    """Withdraw a release: write WITHDRAWN.json beside it, which names it by its hash; `verify` refuses it then.

    Send the notice to whoever has the release. A study does not publish the same images again.
    """
    from ..core.errors import InputError
    from ..release.signing import Signer
    from ..release.withdrawing import published_by, withdraw_release, withdraw_study

    if key is None and (certificate or certificate_chain):
        raise InputError("A certificate signs nothing without its private key", where="--certificate", how="give --key")
    if certificate is None and certificate_chain:
        raise InputError("A chain vouches for a certificate", where="--certificate-chain", how="give --certificate")
    signer = None if key is None else Signer(key, certificate, tuple(certificate_chain or ()))
    study: tuple[Path, str | None] | None = (what, None) if (what / "study.toml").is_file() else published_by(what)
    if study:
        from ..study import read_config

        own = read_config(study[0] / "study.toml").release
        notice = withdraw_study(study[0], reason, signer or Signer.of(own, study[0]), study[1])
    else:
        notice = withdraw_release(what, reason, signer)
    if as_json:
        told = {"notice": str(notice.path), "signed": notice.signature is not None, "reason": notice.reason}
        show({**told, "manifest_sha256": notice.manifest_sha256})
        return
    signed = "signed" if notice.signature is not None else "not signed: nobody can tell who wrote it"
    say(f"Written: {notice.path} ({signed}), for the release with the manifest {notice.manifest_sha256}.")
    say("Send it to whoever has the release; `unpersonal verify RELEASE --notice FILE` heeds it anywhere.")
