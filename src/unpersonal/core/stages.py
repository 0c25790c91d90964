"""What a stage is, and what it is given when it runs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from pydantic import Field

from .config import Config
from .device import pick_device
from .figures import Figures
from .parts import ClusterConfig, OpenParts
from .records import StageRecord

if TYPE_CHECKING:
    import torch


class SeededConfig(Config):
    """A configuration of named tables, and the seed of everything that is drawn."""

    seed: int = Field(0, ge=0, lt=2**63, description="seed of everything that is drawn")


C = TypeVar("C", bound=SeededConfig)


def no_inputs(_: Any) -> Mapping[str, str]:
    """The fingerprint of a stage that reads nothing from outside the study."""
    return {}


def no_plugins(_: Any) -> Sequence[Mapping[str, str]]:
    """The plug-ins where none can be named."""
    return ()


def nothing() -> None:
    """Does nothing."""


@dataclass(frozen=True)
class Stage(Generic[C]):
    """One stage of a study: what it reads, what it writes, and how it runs."""

    name: str
    tables: tuple[str, ...]
    """The tables of the configuration that it reads: a change of one makes it stale."""
    inputs: tuple[str, ...]
    """The stages whose outputs it reads."""
    outputs: tuple[str, ...]
    """The files and folders that it may write, relative to the study, with wildcards. It owns what they match."""
    record: str
    """Where its record lies, relative to the study."""
    figures: type[Figures]
    """The class of its figures."""
    run: Callable[[Context[C]], Figures | Mapping[str, Any]]
    """Does the work and returns its figures. `PolicyRefused` is an answer: the stages after it still run."""
    fingerprint: Callable[[Context[C]], Mapping[str, str]] = no_inputs
    """Hashes of its inputs from outside the study, by what they are called; "" for what is not at hand.

    An input that cannot be read is an `InputError`: nothing is withdrawn then.
    """
    keeps: tuple[str, ...] = ()
    """Outputs (with wildcards) that are found by content, hence right whatever the inputs were."""
    withdraw: Callable[[Path], None] | None = None
    """For what must not outlive its inputs: takes it back from the study before any stage that it builds on runs."""
    sealed: bool = False
    """Whether a file among its outputs that it did not write makes it stale: what is given away holds nothing else."""
    reads_first: bool = False
    """Whether it calls `Context.begin` itself, after it has read its inputs: wrong ones leave the study as it was."""
    shared: bool = False
    """Whether all processes that `torchrun` started run it together."""
    foresees: tuple[str, ...] = ()
    """The stages after which `foresee` knows what it must."""
    foresee: Callable[[Context[C]], None] | None = None
    """Refuses by an `InputError` what would end this stage in the end: asked before any later work begins."""
    parts: Callable[[Context[C]], OpenParts] | None = None
    """How its parts are opened, where its work is made of such: they are all there when `run` is called, to join them.

    Processes of one run, shards and Ray tasks share them (`core/parts.py`).
    """


@dataclass(frozen=True)
class Context(Generic[C]):
    """What a stage runs with: the study's folder, its configuration, its device, and what the stages before found."""

    path: Path
    config: C
    stages: Sequence[Stage[C]]
    device_name: str = "auto"
    reasons: list[str] = field(default_factory=list)
    """Why a stage of this run refused; empty where none did."""
    plugins_of: Callable[[Stage[C]], Sequence[Mapping[str, str]]] = no_plugins
    """The plug-ins (kind, name, distribution, version, sha256) that the tables of a stage name."""
    until: str | None = None
    """The last stage that was asked for, all where it is None."""
    cluster: ClusterConfig = field(default_factory=ClusterConfig)
    """Where the parts of stages are made."""
    key: str = ""
    """Hash of all that decides what the stage makes that runs: what it leaves half-done is of this key."""
    begin: Callable[[], None] = nothing
    """Clears what an earlier run of the stage wrote, and withdraws what was made from it."""

    def reaches(self, name: str) -> bool:
        """Whether what was asked for reaches the stage called `name`."""
        names = [stage.name for stage in self.stages]
        return self.until is None or names.index(self.until) >= names.index(name)

    @property
    def seed(self) -> int:
        """The seed of the study."""
        return self.config.seed

    @property
    def device(self) -> torch.device:
        """The device to compute on; one that is absent is an `InputError`."""
        return pick_device(self.device_name)

    def stage(self, name: str) -> Stage[C]:
        """The stage called `name`."""
        return next(stage for stage in self.stages if stage.name == name)

    def record(self, name: str) -> StageRecord | None:
        """The record of a stage, or None where it has not run."""
        return StageRecord.read(self.path / self.stage(name).record)

    def figures(self, name: str) -> Figures | None:
        """The figures of a stage, of its class, or None where it has not run; wrong ones are an `InputError`."""
        record, stage = self.record(name), self.stage(name)
        return stage.figures.from_json(record.figures, where=str(self.path / stage.record)) if record else None
