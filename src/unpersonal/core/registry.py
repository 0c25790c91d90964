"""Named parts that can be added: one object in one module of ours, or an entry point of another package.

A registry is told a package. Every public module of it offers one part: the object that the registry's `attribute`
names, called like its module with `-` for `_` (`dpmpp_2m.py` offers `dpmpp-2m`). Other packages offer parts of the kind
`solver` as entry points of the group `unpersonal.solvers`. Nothing is imported until a part is asked for.
"""

from __future__ import annotations

import hashlib
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property, lru_cache
from importlib import import_module
from importlib.metadata import Distribution, EntryPoint, entry_points
from importlib.util import find_spec
from pathlib import Path
from pkgutil import iter_modules
from typing import Any, Generic, TypeVar

from .errors import InputError
from .figures import Figures

Part = TypeVar("Part")
NAME = re.compile(r"[A-Za-z0-9]+([-_][A-Za-z0-9]+)*")
"""What a plug-in may be called: nothing like a path, which evidence would withhold, and nothing like several names."""
UNHASHED = ("RECORD", "INSTALLER", "REQUESTED", "direct_url.json")
"""Files of a distribution that an installer writes: they differ between two installations of the same thing."""


@dataclass(frozen=True)
class Plugin(Figures):
    """A part that another package offers: its kind and name, and the distribution it comes from."""

    kind: str
    name: str
    distribution: str
    version: str
    sha256: str
    """Over names and contents of the files that it installed, and of the package's modules where it lists others."""


class Registry(Generic[Part]):
    """All parts of one kind, by name."""

    def __init__(self, kind: str, *, package: str, attribute: str) -> None:
        """`kind` in the singular (`solver`); `package` is dotted and absolute; see the module's text."""
        self.kind, self._package, self._attribute = kind, package, attribute

    @property
    def group(self) -> str:
        """The group of entry points under which other packages offer such parts."""
        return f"unpersonal.{self.kind}s"

    def names(self) -> tuple[str, ...]:
        """Every name, ours first, each group in alphabetical order."""
        return (*sorted(self._ours), *sorted(self._theirs))

    def own_names(self) -> tuple[str, ...]:
        """The names of our own parts in alphabetical order; asks for no entry point."""
        return tuple(sorted(self._ours))

    def modules(self) -> dict[str, str]:
        """The dotted name of the module of each of our own parts."""
        return dict(self._ours)

    def is_ours(self, name: str) -> bool:
        """Whether this package itself offers the part; asks for no entry point."""
        return name in self._ours

    def get(self, name: str, *, where: str = "study.toml") -> Part:
        """The part called `name`; an unknown name, or a plug-in that cannot be loaded, is an `InputError`."""
        if name in self._ours:
            ours: Part = getattr(import_module(self._ours[name]), self._attribute)
            return ours
        if name in self._theirs:
            theirs: Part = self._load(self._theirs[name], where)
            return theirs
        raise InputError(
            f"There is no {self.kind} {name!r}",
            where=where,
            how=f"use one of {', '.join(self.names())}, or install the package that offers it",
        )

    def __iter__(self) -> Iterator[Part]:
        """Our own parts in the order of their names; plug-ins take part only where they are named."""
        return (self.get(name) for name in sorted(self._ours))

    def plugin(self, name: str) -> Plugin | None:
        """Where a part comes from, or None if it is one of ours (or unknown)."""
        entry = None if name in self._ours else self._theirs.get(name)
        if entry is None:
            return None
        found = entry.dist
        if found is None:
            raise InputError(
                f"The {self.kind} {name!r} belongs to no installed distribution",
                where=f"the entry points {self.group}",
                how="install it as a package",
            )
        return Plugin(self.kind, name, found.name, found.version, _hash_of(found, entry))

    @cached_property
    def _ours(self) -> dict[str, str]:
        package = find_spec(self._package)
        folders = list(package.submodule_search_locations or ()) if package is not None else []
        names = (module.name for module in iter_modules(folders) if not module.name.startswith("_"))
        return {name.replace("_", "-"): f"{self._package}.{name}" for name in names}

    @property
    def _theirs(self) -> dict[str, EntryPoint]:
        found: dict[str, EntryPoint] = {}
        for entry in _offered(self.group, tuple(sys.path)):
            if entry.name in self._ours or entry.name in found:
                raise InputError(
                    f"Two packages offer a {self.kind} called {entry.name!r}",
                    where=f"the entry points {self.group}",
                    how="uninstall one of them",
                )
            if not NAME.fullmatch(entry.name):
                raise InputError(
                    f"A {self.kind} cannot be called {entry.name!r}",
                    where=f"the entry points {self.group}",
                    how="use letters and digits, with - or _ between them",
                )
            found[entry.name] = entry
        return found

    def _load(self, entry: EntryPoint, where: str) -> Any:
        try:
            return entry.load()
        except Exception as error:  # whatever somebody's module raises while it is imported
            raise InputError(
                f"The {self.kind} {entry.name!r} cannot be loaded ({type(error).__name__}: {error})",
                where=f"{where}, {entry.value}",
                how="correct or uninstall the package that offers it",
            ) from error


@lru_cache
def _offered(group: str, path: tuple[str, ...]) -> tuple[EntryPoint, ...]:
    """The entry points of a group, read once for each search path of Python."""
    return tuple(entry_points(group=group))


def _hash_of(distribution: Distribution, entry: EntryPoint) -> str:
    """Hex SHA-256 over the relative names and contents of what a distribution installed."""
    listed = {
        str(file): Path(str(file.locate()))
        for file in distribution.files or ()
        if file.name not in UNHASHED and file.suffix not in (".pyc", ".pth")
    }
    known = {path.resolve() for path in listed.values()}
    beside = {name: path for name, path in _modules(entry).items() if path.resolve() not in known}
    digest = hashlib.sha256()
    for name, path in sorted([*listed.items(), *beside.items()]):
        if path.is_file():
            digest.update(name.encode() + b"\x00" + hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def _modules(entry: EntryPoint) -> dict[str, Path]:
    """The modules of the package that Python would import for an entry point, by their paths; imports nothing.

    The distribution does not list them where it is an editable installation, or where another copy is found before it.
    """
    spec = find_spec(entry.module.partition(".")[0])
    folders = [Path(folder) for folder in (spec.submodule_search_locations if spec else None) or ()]
    if not folders and spec is not None and spec.origin is not None:
        return {Path(spec.origin).name: Path(spec.origin)}
    return {path.relative_to(folder.parent).as_posix(): path for folder in folders for path in folder.rglob("*.py")}
