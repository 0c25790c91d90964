"""Figures of the release stage, and those of all stages that it builds on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from ..audit.figures import AuditFigures
from ..codec.figures import EncodeFigures
from ..cohort.figures import CohortFigures
from ..core.figures import Figures, absent, unwritten
from ..core.records import StageRecord
from ..core.registry import Plugin
from ..diffusion.figures import DiffusionFigures
from ..features.figures import FeatureFigures
from ..judges.figures import GateFigures
from ..synthesis.figures import SynthesisFigures
from ..utility.figures import UtilityFigures
from .place import Place
from .safety import weaker_settings

GATE_STAGE = "judges"


@dataclass(frozen=True, kw_only=True)
class ReleaseFigures(Figures):
    """What was written: images, files and their size together; and shortfalls, which do not refuse a release."""

    images: int
    files: int
    bytes: int
    shortfalls: tuple[str, ...]
    place: Place | None = absent()
    """Where it stands among the releases of its cohort; None where nobody counted."""


@dataclass(frozen=True, kw_only=True)
class SignedOff(Figures):
    """What is told of a sign-off: the role of who signed, and the hash of what was signed. No name."""

    role: str
    hash: str


@dataclass(frozen=True, kw_only=True)
class StudyFigures(Figures):
    """Figures of every stage above the release; None where a stage has not run. In JSON `metrics` stands for itself.

    `guide` is the kind of the diffusion model's guide and `matchers` are those of the gate, settings and no figures;
    None where they are not known. `plugins` are the parts of other packages that the stages used, by the name of the
    stage; `weaker` are settings that guard people and are weaker than the default. `signed` is the sign-off of all
    this, None where nobody signed.
    """

    cohort: CohortFigures | None = absent()
    encode: EncodeFigures | None = absent()
    features: FeatureFigures | None = absent()
    diffusion: DiffusionFigures | None = absent()
    gate: GateFigures | None = absent()
    synthesis: SynthesisFigures | None = absent()
    audit: AuditFigures | None = absent()
    utility: UtilityFigures | None = absent()
    guide: str | None = unwritten(lambda: None)
    matchers: tuple[str, ...] | None = unwritten(lambda: None)
    plugins: Mapping[str, tuple[Plugin, ...]] = unwritten(dict)
    weaker: tuple[str, ...] = unwritten(tuple)
    signed: SignedOff | None = unwritten(lambda: None)

    def to_json(self) -> dict[str, Any]:
        """See `Figures.to_json`."""
        found = super().to_json()
        return {**found, "metrics": found["utility"].pop("metrics")} if self.utility else found

    @classmethod
    def _read(cls, values: object, name: str) -> StudyFigures:
        if isinstance(values, Mapping) and isinstance(utility := values.get("utility"), Mapping):
            values = dict(values)
            values["utility"] = {**utility, **({"metrics": values.pop("metrics")} if "metrics" in values else {})}
        return super()._read(values, name)

    @classmethod
    def recorded(cls, records: Mapping[str, StageRecord]) -> StudyFigures:
        """What the stages recorded, by their names; a figure that is not as it should be is an `InputError`."""
        found = {name: record.figures for name, record in records.items() if name not in ("release", "report")}
        if GATE_STAGE in found:
            found["gate"] = found.pop(GATE_STAGE)
        return replace(
            cls.from_json(found, where="the record of a stage"),
            guide=_guide(records.get("diffusion")),
            matchers=_matchers(records.get(GATE_STAGE)),
            weaker=weaker_settings(records),
            plugins={stage: _plugins(record) for stage, record in records.items() if record.plugins},
        )

    @property
    def all_plugins(self) -> tuple[Plugin, ...]:
        """Every plug-in once, in the order of kinds and names."""
        found = {plugin for plugins in self.plugins.values() for plugin in plugins}
        return tuple(sorted(found, key=lambda plugin: (plugin.kind, plugin.name)))


def _guide(record: StageRecord | None) -> str | None:
    """The kind of the guide, out of the settings that the diffusion stage ran with."""
    guide = _setting(record, "diffusion", "guide")
    return guide if isinstance(guide, str) else None


def _matchers(record: StageRecord | None) -> tuple[str, ...] | None:
    """The matchers that the gate should have, out of the settings that the judges stage ran with."""
    found = _setting(record, "judges", "matchers")
    return tuple(str(name) for name in found) if isinstance(found, list | tuple) else None


def _setting(record: StageRecord | None, table: str, key: str) -> object:
    """What stands at `[table] key` of the settings that a stage ran with; None where nobody knows."""
    settings = None if record is None else record.config.get(table)
    return settings.get(key) if isinstance(settings, Mapping) else None


def _plugins(record: StageRecord) -> tuple[Plugin, ...]:
    where = f"the record of the stage {record.stage}"
    return tuple(Plugin.from_json(plugin, where=where) for plugin in record.plugins)
