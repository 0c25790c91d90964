"""A study on disk: study.toml, the stages in order, what is fresh and what must run."""

from __future__ import annotations

import fcntl
import platform
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import Field

from .audit.config import AuditConfig
from .codec.config import VAE, CodecConfig
from .core.allocator import keep_freed_memory
from .core.config import Config, build_config
from .core.device import pick_device
from .core.distributed import World, joined, world
from .core.errors import InputError, PolicyRefused
from .core.files import read_json, room_for, write_json
from .core.hashing import hash_json, sha256_file
from .core.progress import console
from .diffusion.config import DiffusionConfig
from .features.config import FeaturesConfig
from .judges.config import JudgesConfig
from .layouts.config import CohortConfig
from .release.policy import PolicyConfig
from .synthesis.config import SynthesisConfig
from .utility.config import UtilityConfig

if TYPE_CHECKING:
    from .cohort.read import Needs

STAGE_VERSION = 4
"""Raised when a stage's output changes meaning, so that studies made before are computed anew."""


class StudyConfig(Config):
    """Everything in study.toml: one table per room, and the study's seed."""

    seed: int = Field(0, ge=0, lt=2**63, description="seed of everything that is drawn")
    cohort: CohortConfig
    codec: CodecConfig = CodecConfig()
    features: FeaturesConfig = FeaturesConfig()
    diffusion: DiffusionConfig = DiffusionConfig()
    judges: JudgesConfig = JudgesConfig()
    synthesis: SynthesisConfig = SynthesisConfig()
    audit: AuditConfig = AuditConfig()
    utility: UtilityConfig = UtilityConfig()
    policy: PolicyConfig = PolicyConfig()


@dataclass(frozen=True)
class Stage:
    """One stage: the tables of study.toml it reads, the stages it builds on, what it writes, and how it runs."""

    name: str
    tables: tuple[str, ...]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    record: str
    run: Callable[[Study, Any], dict[str, Any]]
    keeps: tuple[str, ...] = ()
    """Names (with wildcards) in the output folders that are found by content, hence right whatever the inputs were."""
    shared: bool = False
    """Whether all processes that `torchrun` started run it together."""


@dataclass
class Study:
    """A study folder with a valid study.toml.

    `Study.open(path)` reads it, `run()` runs what is not fresh, `summary()` gives the figures so far.
    """

    path: Path
    config: StudyConfig
    device_name: str = "auto"
    reasons: list[str] = field(default_factory=list)

    @classmethod
    def open(cls, path: Path | str, *, device: str = "auto") -> Study:
        """Open a study folder; what is no study, or has a wrong study.toml, is an `InputError`."""
        path = Path(path)
        toml = path / "study.toml"
        if not toml.is_file():
            raise InputError(
                "This folder is no study: it has no study.toml",
                where=str(path),
                how="create a study with `unpersonal init STUDY --images PATH`",
            )
        return cls(path, read_config(toml), device)

    def run(self, *, until: str | None = None) -> dict[str, Any]:
        """Run every stage that is not fresh, in order, up to `until`; returns the summary.

        Raises `PolicyRefused` after the report was written where the policy does not allow the release, and
        `InputError` for an unknown stage, a wrong input, or a study that another process is running. Where `torchrun`
        started several processes, the first runs the stages and the others help it to train the diffusion model.
        """
        stages = self._until(until)
        processes, device = world(), pick_device(self.device_name)
        if device.type == "cpu":
            keep_freed_memory()
        summary, refused = {}, None
        with joined(processes, device):
            if not processes.first:
                return self._help(processes)
            try:
                summary = self._run(stages)
            except PolicyRefused as refusal:
                # told only after all processes have left together: it is an answer, not a failure
                refused = refusal
            processes.said_by_first(None)
        if refused is not None:
            raise refused
        return summary

    def plan(self, until: str | None = None) -> dict[str, str]:
        """What `run` would do: for every stage up to `until` `fresh` (nothing), or why it would run."""
        states = self.freshness()
        return {stage.name: states[stage.name] for stage in self._until(until)}

    def _until(self, until: str | None) -> tuple[Stage, ...]:
        stages = stage_list()
        names = [stage.name for stage in stages]
        if until is not None and until not in names:
            raise InputError(f"There is no stage {until!r}", where="--until", how=f"use one of {', '.join(names)}")
        return stages[: names.index(until) + 1] if until else stages

    def _help(self, processes: World) -> dict[str, Any]:
        """Take part in the stages that the first process calls out, until it says that all is done."""
        while (name := processes.said_by_first(None)) is not None:
            stage = next(stage for stage in stage_list() if stage.name == name)
            # an error ends this process, and torchrun the others: none waits for one that has gone
            stage.run(self, getattr(self.config, stage.tables[0]))
        return {}

    def _run(self, stages: tuple[Stage, ...]) -> dict[str, Any]:
        refused: PolicyRefused | None = None
        with study_lock(self.path):
            for stage in stages:
                try:
                    self._run_stage(stage)
                except PolicyRefused as refusal:
                    refused = refusal
                    self.reasons = refusal.reasons
                write_json(self.path / "summary.json", self.summary())
        if refused is not None:
            raise refused
        return self.summary()

    def freshness(self) -> dict[str, str]:
        """For every stage `fresh`, `stale` (ran with other inputs or was altered) or `missing`."""
        states: dict[str, str] = {}
        for stage in stage_list():
            if not (self.path / stage.record).is_file():
                states[stage.name] = "missing"
            else:
                stale = any(states[name] != "fresh" for name in stage.inputs)
                states[stage.name] = "stale" if stale or not self._is_fresh(stage) else "fresh"
        return states

    def read_by_init(self) -> bool:
        """Whether the cohort is the one that `init` wrote, which no run has confirmed yet."""
        cohort = stage_list()[0]
        touched = (self.path / cohort.record).exists() or self._marker(cohort).exists()
        return not touched and all((self.path / name).is_file() for name in cohort.outputs if name != "texts.parquet")

    def figures(self, stage: str) -> dict[str, Any] | None:
        """The figures that a stage returned, or None where it has not run."""
        record = self.path / next(s for s in stage_list() if s.name == stage).record
        return read_json(record)["figures"] if record.is_file() else None

    def summary(self) -> dict[str, Any]:
        """What summary.json holds: rates and AUROCs as fractions, a key per stage that ran, seconds per stage."""
        figures = {stage.name: self.figures(stage.name) for stage in stage_list()}
        seconds = {
            stage.name: read_json(self.path / stage.record)["seconds"]
            for stage in stage_list()
            if (self.path / stage.record).is_file()
        }
        summary: dict[str, Any] = {"seconds": seconds, "seed": self.config.seed}
        for name in ("cohort", "synthesis", "audit", "encode", "features", "diffusion"):
            if figures[name] is not None:
                summary[name] = figures[name]
        if figures["judges"] is not None:
            summary["gate"] = figures["judges"]
        if figures["utility"] is not None:
            utility = dict(figures["utility"])
            summary["metrics"] = utility.pop("metrics")
            summary["utility"] = utility
        released = figures["release"] is not None and (self.path / "release" / "manifest.json").is_file()
        summary["release"] = {**(figures["release"] or {}), "released": released, "reasons": self.reasons}
        return summary

    def _run_stage(self, stage: Stage) -> None:
        if self._is_fresh(stage):
            console.print(f"[dim]{stage.name}: fresh[/dim]")
            return
        # the record goes first: a stage that is interrupted half-way must never look finished
        (self.path / stage.record).unlink(missing_ok=True)
        if stage.name not in ("release", "report"):
            self._withdraw_release()
        key = self._key(stage)
        self._keep_or_clear_partial_work(stage, key)
        console.print(f"[bold]{stage.name}[/bold]")
        spent = self._spent(stage)
        started = time.monotonic()
        if stage.shared:
            world().said_by_first(stage.name)
        try:
            figures = stage.run(self, getattr(self.config, stage.tables[0], None) if stage.tables else None)
        except BaseException:
            self._note_spent(stage, key, spent + time.monotonic() - started)
            raise
        seconds = spent + time.monotonic() - started
        outputs = self._hash_outputs(stage)
        write_json(
            self.path / stage.record,
            {
                "stage": stage.name,
                "key": key,
                "config": self._config_subset(stage),
                "inputs": self._input_hashes(stage),
                "outputs": outputs,
                "output_hash": hash_json(outputs),
                "figures": figures,
                "seconds": round(seconds, 3),
                "versions": versions(),
            },
        )
        self._marker(stage).unlink(missing_ok=True)

    def _withdraw_release(self) -> None:
        """A release must not outlive what it was made from: as soon as a stage above it runs anew, it is gone."""
        from .release.stage import remove_release

        for name in ("release.stage.json", "report.stage.json", "report.html", "private.html"):
            (self.path / name).unlink(missing_ok=True)
        remove_release(self.path)
        write_json(self.path / "summary.json", self.summary())

    def _is_fresh(self, stage: Stage) -> bool:
        record = self.path / stage.record
        if not record.is_file():
            return False
        saved = read_json(record)
        return saved["key"] == self._key(stage) and saved["outputs"] == self._hash_outputs(stage)

    def _key(self, stage: Stage) -> str:
        return hash_json([STAGE_VERSION, stage.name, self._config_subset(stage), self._input_hashes(stage)])

    def _config_subset(self, stage: Stage) -> dict[str, Any]:
        tables = {name: getattr(self.config, name).model_dump(mode="json") for name in stage.tables}
        return {"seed": self.config.seed, **tables}

    def _input_hashes(self, stage: Stage) -> dict[str, str]:
        hashes = {}
        by_name = {item.name: item for item in stage_list()}
        for name in stage.inputs:
            record = self.path / by_name[name].record
            hashes[name] = read_json(record)["output_hash"] if record.is_file() else "missing"
        if stage.name == "cohort":
            from .layouts.fingerprint import fingerprint

            hashes["images"] = fingerprint(self.config.cohort, base=self.path)
        if stage.name == "encode" and self.config.codec.kind.startswith(VAE):
            from .codec.vae import source_hash

            hashes["vae"] = source_hash(self.config.codec.kind, self.path)
        if stage.name == "diffusion" and self.config.diffusion.start_from:
            hashes["start"] = start_hash(self.path, self.config.diffusion.start_from)
        return hashes

    def _hash_outputs(self, stage: Stage) -> dict[str, str]:
        hashes = {}
        for name in stage.outputs:
            path = self.path / name
            files = sorted(p for p in path.rglob("*") if p.is_file()) if path.is_dir() else [path] * path.is_file()
            for file in files:
                relative = file.relative_to(self.path).as_posix()
                if relative != stage.record:
                    hashes[relative] = sha256_file(file)
        return hashes

    def _marker(self, stage: Stage) -> Path:
        return self.path / f".{stage.name}.partial.json"

    def _spent(self, stage: Stage) -> float:
        return float(read_json(self._marker(stage))["seconds"])

    def _note_spent(self, stage: Stage, key: str, seconds: float) -> None:
        write_json(self._marker(stage), {"key": key, "seconds": seconds})

    def _keep_or_clear_partial_work(self, stage: Stage, key: str) -> None:
        """Checkpoints and parts of an interrupted stage are kept only where its config and inputs are the same."""
        for name in stage.outputs:
            sweep_temporaries(self.path / name)
        marker = self._marker(stage)
        if marker.is_file() and read_json(marker)["key"] == key:
            return
        for name in stage.outputs:
            clear(self.path / name, stage.keeps)
        self._note_spent(stage, key, 0.0)


@contextmanager
def study_lock(path: Path) -> Iterator[None]:
    """Hold the study for this process; a second process is an `InputError`. The kernel lets go when we die."""
    with ExitStack() as stack:
        with room_for(path / ".lock"):
            stream = stack.enter_context(open(path / ".lock", "w"))
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise InputError(
                "Another process is running this study", where=str(path), how="wait for it to end"
            ) from None
        yield


def sweep_temporaries(path: Path) -> None:
    """Remove what a killed process left half-written beside or below `path`."""
    leftovers = [*path.parent.glob(f".{path.stem}.*.tmp*")]
    if path.is_dir():
        leftovers += [*path.rglob(".*.tmp*"), *path.rglob(".tmp*")]  # the latter are those of safetensors
    for leftover in leftovers:
        shutil.rmtree(leftover) if leftover.is_dir() else leftover.unlink(missing_ok=True)


def clear(path: Path, keeps: tuple[str, ...] = ()) -> None:
    """Remove a file, or what lies in a folder except names that match one of `keeps`."""
    if not path.is_dir():
        path.unlink(missing_ok=True)
        return
    for inside in path.iterdir():
        if not any(inside.match(pattern) for pattern in keeps):
            shutil.rmtree(inside) if inside.is_dir() else inside.unlink()
    if not keeps:
        path.rmdir()


def start_hash(study: Path, start_from: str) -> str:
    """SHA-256 of the checkpoint that training starts from; one that has gone since keeps the hash of its report."""
    from .diffusion.transfer import locate

    try:
        return sha256_file(locate(study / start_from))
    except InputError:
        report = study / "models" / "diffusion" / "denoiser.start.json"
        return str(read_json(report)["sha256"]) if report.is_file() else ""


def read_config(path: Path) -> StudyConfig:
    """Read and validate a study.toml; every problem is named in one `InputError`."""
    import tomlkit
    from tomlkit.exceptions import TOMLKitError

    try:
        values = tomlkit.parse(path.read_text(encoding="utf-8")).unwrap()
    except (TOMLKitError, UnicodeDecodeError) as error:
        raise InputError(f"study.toml is not valid TOML ({error})", where=str(path), how="correct it") from None
    return build_config(StudyConfig, values, where=str(path))


def versions() -> dict[str, str]:
    """Versions of what computed a stage."""
    found = {"python": platform.python_version()}
    for name in ("unpersonal", "torch", "numpy"):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "not installed"
    return found


def _room(module: str) -> Callable[[Study, Any], dict[str, Any]]:
    """Run a room's `run_stage`; the import waits until the stage runs."""

    def run(study: Study, config: Any) -> dict[str, Any]:
        from importlib import import_module

        run_stage = import_module(f"unpersonal.{module}.stage").run_stage
        return run_stage(study.path, config, seed=study.config.seed, device=pick_device(study.device_name))

    return run


def needs_of(config: StudyConfig) -> Needs:
    """What a study asks of its cohort."""
    from .cohort.read import Needs

    return Needs(config.policy.gate_miss_upper, config.judges.confidence)


def _cohort(study: Study, config: CohortConfig) -> dict[str, Any]:
    from .cohort.stage import run_stage

    codec, needs = study.config.codec, needs_of(study.config)
    return run_stage(study.path, config, codec=codec, seed=study.config.seed, needs=needs)


def _encode(study: Study, config: CodecConfig) -> dict[str, Any]:
    from .codec.stage import run_stage

    device = pick_device(study.device_name)
    return run_stage(study.path, config, source=study.config.cohort, seed=study.config.seed, device=device)


def _audit(study: Study, config: AuditConfig) -> dict[str, Any]:
    from .audit.stage import run_stage

    return run_stage(
        study.path,
        config,
        seed=study.config.seed,
        device=pick_device(study.device_name),
        advantage_upper=study.config.policy.audit_advantage_upper,
    )


def _release(study: Study, config: PolicyConfig) -> dict[str, Any]:
    from .release.stage import run_stage

    return run_stage(study.path, policy=config, seed=study.config.seed, figures=study.summary())


def _report(study: Study, _: Any) -> dict[str, Any]:
    from .report.html import build_report
    from .report.private import build_private

    summary = study.summary()
    report = build_report(study.path, summary)
    build_private(study.path)
    return {"bytes": report.stat().st_size}


def stage_list() -> tuple[Stage, ...]:
    """The stages in the order in which data walks through them."""
    return _STAGES


_STAGES = (
    Stage(
        "cohort",
        ("cohort",),
        (),
        ("cohort.parquet", "quarantine.csv", "texts.parquet"),
        "cohort.stage.json",
        _cohort,
    ),
    Stage(
        "encode",
        ("codec", "cohort"),
        ("cohort",),
        ("store",),
        "store/stage.json",
        _encode,
        keeps=("images.npy", "index.parquet", "blocks-*"),
    ),
    Stage("features", ("features",), ("cohort", "encode"), ("features",), "features/stage.json", _room("features")),
    Stage(
        "diffusion",
        ("diffusion",),
        ("cohort", "encode", "features"),
        ("models/diffusion",),
        "models/diffusion/stage.json",
        _room("diffusion"),
        shared=True,
    ),
    Stage(
        "judges",
        ("judges",),
        ("cohort", "encode", "features", "diffusion"),
        ("models/judges",),
        "models/judges/stage.json",
        _room("judges"),
    ),
    Stage(
        "synthesis",
        ("synthesis",),
        ("cohort", "encode", "features", "diffusion", "judges"),
        ("candidates",),
        "candidates/stage.json",
        _room("synthesis"),
    ),
    Stage("audit", ("audit", "policy"), ("cohort", "encode", "synthesis"), ("audit",), "audit/stage.json", _audit),
    Stage(
        "utility", ("utility",), ("cohort", "encode", "synthesis"), ("utility",), "utility/stage.json", _room("utility")
    ),
    Stage(
        "release",
        ("policy",),
        ("cohort", "diffusion", "judges", "synthesis", "audit", "utility"),
        ("release",),
        "release.stage.json",
        _release,
    ),
    Stage(
        "report",
        ("policy",),
        ("cohort", "encode", "features", "diffusion", "judges", "synthesis", "audit", "utility", "release"),
        ("report.html", "private.html"),
        "report.stage.json",
        _report,
    ),
)
