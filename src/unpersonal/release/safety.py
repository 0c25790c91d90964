"""Settings that guard people: which of them a study ran with that are weaker than the default."""

from __future__ import annotations

from collections.abc import Mapping

from ..core.config import Config
from ..core.records import StageRecord

MOST = {
    "judges": ("miss_target",),
    "diffusion": ("max_gap", "max_match_rate"),
    "synthesis": ("largest_share",),
}
"""Keys by table of which a larger number guards less."""
LEAST = {
    "judges": ("gallery_views", "seeds", "renoised", "overfitted"),
    "diffusion": ("monitor_samples",),
    "synthesis": ("blend", "condition_noise", "fewest_subjects"),
    "audit": ("planted_copies", "kind_copies", "permutations", "weight_divisor", "size"),
}
"""Keys of which a smaller number guards less, or shows less of a leak."""
ALL = {"judges": ("matchers",), "diffusion": ("monitor_matchers",), "audit": ("attacks",)}
"""Keys that name parts: one that is left out is weaker."""
ON = {"diffusion": ("stop_memorising", "keep_best")}
"""Keys that are on by default."""


def weaker_settings(records: Mapping[str, StageRecord]) -> tuple[str, ...]:
    """Every such setting in words, with its default; none where a stage did not run or its settings are not known."""
    found = []
    for table, config in _tables().items():
        record = records.get(table)
        settings = None if record is None else record.config.get(table)
        if isinstance(settings, Mapping):
            found += _weaker(table, settings, config)
    return tuple(found)


def _tables() -> dict[str, type[Config]]:
    from ..audit.config import AuditConfig
    from ..diffusion.config import DiffusionConfig
    from ..judges.config import JudgesConfig
    from ..synthesis.config import SynthesisConfig

    return {"diffusion": DiffusionConfig, "judges": JudgesConfig, "synthesis": SynthesisConfig, "audit": AuditConfig}


def _weaker(table: str, settings: Mapping[str, object], config: type[Config]) -> list[str]:
    """Those of one table."""
    found = []

    def default(key: str) -> object:
        return config.model_fields[key].get_default(call_default_factory=True)

    for key, sign in (*((key, 1) for key in MOST.get(table, ())), *((key, -1) for key in LEAST.get(table, ()))):
        value, usual = settings.get(key), default(key)
        if isinstance(value, int | float) and isinstance(usual, int | float) and sign * value > sign * usual:
            found.append(f"{table}.{key} = {value:g} (default {usual:g})")
    for key in ALL.get(table, ()):
        value, usual = settings.get(key), default(key)
        if isinstance(value, list | tuple) and isinstance(usual, list | tuple) and (lost := set(usual) - set(value)):
            found.append(f"{table}.{key} without {', '.join(sorted(map(str, lost)))}")
    found += [f"{table}.{key} is off" for key in ON.get(table, ()) if settings.get(key) is False]
    return found


def safety_statement(weaker: tuple[str, ...]) -> str:
    """What card and evidence say of these settings; empty where none is weaker."""
    if not weaker:
        return ""
    return f"Settings that guard people were weaker than the default: {'; '.join(weaker)}"
