"""`unpersonal policy`: the limits under which a release may be written, in plain words."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..audit.profiles import PROFILES
from ..core.errors import InputError
from .base import JsonFlag, show

if TYPE_CHECKING:
    from ..release.policy import PolicyConfig


def policy(
    study: Annotated[Path | None, typer.Argument(help="A study: its own policy, and where it is looser.")] = None,
    profile: Annotated[
        str | None,
        typer.Option(help=f"A published profile: {', '.join(PROFILES)}. Absent: that of the study, or open."),
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    """Say under which limits a release may be written: each limit, what it means, for whom, and what is refused."""
    found = told(study, profile)
    if as_json:
        show(found)
        return
    for line in lines(found):
        typer.echo(line)


def told(study: Path | None, profile: str | None) -> dict[str, Any]:
    """The policy as plain JSON. A profile that nobody published, or a folder that is no study, is an `InputError`."""
    from ..release.policy_words import limits_in_words, refused_in_words
    from ..release.published_profiles import looser_than_published, margins_set, published

    if profile is not None and profile not in PROFILES:
        how = f"use one of {', '.join(PROFILES)}"
        raise InputError(f"There is no published profile {profile!r}", where="--profile", how=how)
    config = published(PROFILES[profile or "open"].name) if study is None else _of_study(study)
    name = profile or config.profile
    # beside another profile than its own, a study keeps the margins that it has
    looser = looser_than_published(config.model_copy(update={**margins_set(config), "profile": name}))
    who = PROFILES[name]
    return {
        "study": str(study) if study else None,
        "profile": name,
        "own_profile": config.profile,
        "for": who.who,
        "releasable": who.releasable,
        "limits": [asdict(each) for each in limits_in_words(config, published(who.name))],
        "may_be_blind": list(config.may_be_blind),
        "plugins": list(config.plugins),
        "looser_than_published": looser,
        "refused": refused_in_words(config),
        "profiles": {each.name: {"for": each.who, "releasable": each.releasable} for each in PROFILES.values()},
    }


def _of_study(study: Path) -> PolicyConfig:
    from ..core.config import build_config
    from ..core.files import read_text
    from ..release.policy import PolicyConfig

    path = study / "study.toml"
    how = "name a study, or leave it out to read a published profile"
    if not study.exists():
        if str(study) in PROFILES:
            how = f"give `unpersonal policy --profile {study}` for the published profile of this name"
        raise InputError("There is no such folder", where=str(study), how=how)
    if not path.is_file():
        raise InputError("This folder is no study: it has no study.toml", where=str(study), how=how)
    import tomlkit
    from tomlkit.exceptions import TOMLKitError

    try:
        values = tomlkit.parse(read_text(path)).unwrap()
    except TOMLKitError as error:
        raise InputError(f"study.toml is not valid TOML ({error})", where=str(path), how="correct it") from None
    table = values.get("policy", {})
    if not isinstance(table, dict):
        raise InputError("policy is no table", where=str(path), how="correct it")
    return build_config(PolicyConfig, table, where=f"{path}: policy")


def lines(found: dict[str, Any]) -> list[str]:
    """The policy for a person."""
    name, own = found["profile"], found["own_profile"]
    whose = f"The policy of {found['study']}, profile {own}" if found["study"] else f"The published profile {name}"
    leaves = "" if found["releasable"] else f" Nothing that is made under {name} may leave."
    beside = f", beside the published profile {name}" if own != name else ""
    said = [f"{whose}{beside}, for {found['for']}.{leaves}", "", "Limits:"]
    for limit in found["limits"]:
        other = "" if limit["value"] == limit["published"] else f" (published: {limit['published']:g})"
        said.append(f"  {limit['key']} = {limit['value']:g}{other}: {limit['meaning']}")
    blind = ", ".join(found["may_be_blind"]) or "no kind"
    said += ["", f"Kinds of copies that may be overlooked: {blind}."]
    if found["plugins"]:
        said.append(f"Parts of other packages that may stand in the gate: {', '.join(found['plugins'])}.")
    said += ["", "A release is refused where:", *(f"  - {reason}" for reason in found["refused"])]
    if found["looser_than_published"]:
        so = ", so that `unpersonal verify` refuses it" if own == name else ""
        said += ["", f"Looser than the published profile {name}{so}:"]
        said += [f"  - {reason}" for reason in found["looser_than_published"].values()]
    elif found["study"]:
        said += ["", f"Nowhere looser than the published profile {name}."]
    others = [f"{name} (for {each['for']})" for name, each in found["profiles"].items()]
    return [*said, "", f"Published profiles: {'; '.join(others)}."]
