"""The account of one side of a command: every file, picture and link of it was read, refused or ignored."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from ..core.figures import Figures
from ..images.archives import is_hidden
from ..images.picture import split_name
from .listing import LISTED_KINDS, Refusal, suffix_of


@dataclass(frozen=True, kw_only=True)
class Account(Figures):
    """Files and pictures of one side: `found` = `read` + `refused` + `ignored`.

    A frame or slice counts as a picture. `refused` may hold pictures; `ignored` are files of other kinds.
    """

    side: str
    found: int
    read: int
    refused: int
    ignored: int
    refused_by_reason: dict[str, int]
    refused_by_suffix: dict[str, int]
    ignored_by_suffix: dict[str, int]

    def line(self) -> str:
        """One line for people."""
        return account_line(vars(self))


def account_of(side: str, read: int, refused: Iterable[Refusal], ignored_by: Mapping[str, int]) -> Account:
    """The account of a side of which `read` pictures were read; `ignored_by` counts the ignored files by suffix."""
    rows = list(refused)
    ignored = sum(ignored_by.values())
    return Account(
        side=side,
        found=read + len(rows) + ignored,
        read=read,
        refused=len(rows),
        ignored=ignored,
        refused_by_reason=counted(reason.value for _, reason, _ in rows),
        refused_by_suffix=counted(kind_of_file(name) for name, _, _ in rows),
        ignored_by_suffix=dict(sorted(ignored_by.items())),
    )


def account_line(side: Mapping[str, object]) -> str:
    """One line for people out of the account of a side as JSON; what was refused and ignored is told by kind."""
    line = "{side}: {found} found = {read} read + {refused} refused + {ignored} ignored".format(**side)
    told = [
        f"{what}: {_listed(kinds)}"
        for what, key in (("refused", "refused_by_reason"), ("ignored", "ignored_by_suffix"))
        if isinstance(kinds := side.get(key), Mapping) and kinds
    ]
    return f"{line} ({'; '.join(told)})" if told else line


def kind_of_file(name: str) -> str:
    """The suffix of the file of a picture, in words where it has none; `hidden` for a hidden one."""
    file = split_name(name)[0]
    return "hidden" if is_hidden(file) else suffix_of(file)


def counted(kinds: Iterable[str]) -> dict[str, int]:
    """How often each occurs, by name."""
    return dict(sorted(Counter(kinds).items()))


def _listed(kinds: Mapping[str, int]) -> str:
    most = sorted(kinds.items(), key=lambda item: (-item[1], item[0]))
    return ", ".join(
        [*(f"{count} {kind}" for kind, count in most[:LISTED_KINDS]), *(["…"] * (len(most) > LISTED_KINDS))]
    )
