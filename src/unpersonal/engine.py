"""Runs the stages of a study: which are fresh, why one is not, what is cleared and withdrawn before it runs.

The engine knows no stage by name. A stage is fresh as long as its record holds: the same configuration, the same
inputs, and every file that it recorded still as it was written. Other files in its folders never matter.
"""

from __future__ import annotations

import json
import platform
import shutil
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path, PurePosixPath
from typing import Any, Generic, Literal

from .core.allocator import keep_freed_memory
from .core.distributed import World, joined, world
from .core.errors import InputError, PolicyRefused
from .core.figures import Figures
from .core.files import is_litter, is_temporary, read_json, write_json
from .core.hashing import hash_json, sha256_file
from .core.places import check_writable, study_lock
from .core.progress import console, tell
from .core.records import LAYOUT, StageRecord
from .core.sharing import check_cluster, share_parts
from .core.stages import C, Context, Stage
from .core.telling import stage_progress

LONGEST = 40
"""Characters of a value that are told of a key that changed."""
MOST = 3
"""Keys or files that are named in a reason."""


@dataclass(frozen=True)
class State:
    """Whether a stage is `fresh`, `stale` or `missing` (has not run), and why it is stale."""

    word: Literal["fresh", "stale", "missing"]
    reason: str = ""

    def __str__(self) -> str:
        return f"{self.word} ({self.reason})" if self.reason else self.word


class Engine(Generic[C]):
    """Runs the stages of one context, and says what state they are in.

    `changed` is called whenever the records have changed: after each stage, and after a withdrawal.
    """

    def __init__(self, context: Context[C], *, changed: Callable[[], None] = lambda: None) -> None:
        self.context, self._changed = context, changed
        self._outside: dict[str, dict[str, str]] = {}
        self._foreseen: set[str] = set()

    def until(self, name: str | None) -> tuple[Stage[C], ...]:
        """The stages up to `name`, all where it is None; an unknown name is an `InputError`."""
        stages = tuple(self.context.stages)
        names = [stage.name for stage in stages]
        if name is not None and name not in names:
            raise InputError(f"There is no stage {name!r}", where="--until", how=f"use one of {', '.join(names)}")
        return stages[: names.index(name) + 1] if name else stages

    def states(self) -> dict[str, State]:
        """The state of every stage: what a run would find, and what it would make stale on its way."""
        found: dict[str, State] = {}
        for stage in self.context.stages:
            state = self._state(stage)
            if state.word == "fresh":
                waits = [name for name in stage.inputs if found[name].word != "fresh"]
                state = State("stale", f"{waits[0]} is {found[waits[0]].word}") if waits else state
            found[stage.name] = state
        return found

    def run(self, until: str | None = None) -> None:
        """Run every stage up to `until` that is not fresh, in order.

        Raises `PolicyRefused` after all of them have run where one refused; `InputError` for a wrong input, or a study
        that another process runs or that cannot be written. Of the processes that `torchrun` started together, the
        first runs the stages and the others help with those that are `shared`.
        """
        stages, processes, device = self.until(until), world(), self.context.device
        check_cluster(self.context.cluster)
        if device.type == "cpu":
            keep_freed_memory()
        refused: PolicyRefused | None = None
        with joined(processes, device):
            if not processes.first:
                self._help(processes)
                return
            try:
                self._run(stages)
            except PolicyRefused as refusal:
                # told only after all processes have left together: it is an answer, not a failure
                refused = refusal
            processes.broadcast(None)
        if refused is not None:
            raise refused

    def _help(self, processes: World) -> None:
        """Take part in the stages that the first process calls out, until it says that all is done."""
        while (called := processes.broadcast(None)) is not None:
            name, key = called
            # an error ends this process, and torchrun the others: none waits for one that has gone
            self._compute(self.context.stage(name), replace(self.context, key=key))

    def _run(self, stages: Sequence[Stage[C]]) -> None:
        refused: PolicyRefused | None = None
        self.context.reasons.clear()
        self._foreseen.clear()
        with study_lock(self.context.path):
            check_writable(self.context.path, [pattern for stage in stages for pattern in stage.outputs])
            # all inputs are read before anything is withdrawn: a disk that is not mounted must not cost a release
            self._outside = {stage.name: dict(stage.fingerprint(self.context)) for stage in stages}
            for stage in stages:
                try:
                    with stage_progress(stage.name):
                        self._run_stage(stage)
                except PolicyRefused as refusal:
                    refused = refusal
                    self.context.reasons[:] = refusal.reasons
                self._changed()
            self._foresee(stages)
        if refused is not None:
            raise refused

    def _foresee(self, there: Sequence[Stage[C]]) -> None:
        """Ask every later stage that can tell from the stages that are `there`, once a run, whether it will be refused.

        Of a study that is fresh nothing is asked: a certificate may expire after it signed.
        """
        names = {stage.name for stage in there}
        for stage in self.context.stages:
            if stage.foresee is None or stage.name in self._foreseen or stage.name in names:
                continue
            if names.issuperset(stage.foresees):
                self._foreseen.add(stage.name)
                stage.foresee(self.context)

    def _run_stage(self, stage: Stage[C]) -> None:
        state = self._state(stage)
        if state.word == "fresh":
            console.print(f"{stage.name}: fresh", style="dim")
            return
        stages = list(self.context.stages)
        self._foresee(stages[: stages.index(stage)])
        if state.reason:
            console.print(f"{stage.name}: {state}", soft_wrap=True)
        inputs, plugins = self.inputs_of(stage), self._plugins(stage)
        work = _Work(self, stage, self._key(stage, inputs, plugins))
        if not stage.reads_first:
            work.begin()
        console.print(stage.name, style="bold")
        if stage.shared:
            world().broadcast([stage.name, work.key])
        try:
            found = self._compute(stage, replace(self.context, begin=work.begin, key=work.key))
            work.begin()
        except BaseException:
            work.note_spent()
            raise
        figures = found if isinstance(found, Figures) else stage.figures.from_json(found, where=stage.name)
        StageRecord(
            stage=stage.name,
            key=work.key,
            config=self.settings(stage),
            inputs=self._known_now(stage, inputs),
            outputs=self._outputs(stage),
            figures=figures.to_json(),
            seconds=round(work.seconds, 3),
            versions=dict(versions()),
            plugins=plugins,
        ).write(self.context.path / stage.record)
        self.marker(stage).unlink(missing_ok=True)
        tell(f"{stage.name}: {work.seconds:.1f} s; {', '.join(stage.outputs)} in {self.context.path}")

    def _compute(self, stage: Stage[C], context: Context[C]) -> Figures | Mapping[str, Any]:
        """Run a stage; of one that is made in parts all processes make some, and the first joins them."""
        if stage.parts is not None:
            share_parts(stage, context)
            if not world().first:
                return {}
        return stage.run(context)

    def _known_now(self, stage: Stage[C], inputs: Mapping[str, str]) -> dict[str, str]:
        """The inputs of a stage that has run; what was not known before (a download, say) is known now."""
        found = {} if all(inputs.values()) else stage.fingerprint(self.context)
        return {name: value or found.get(name, "") for name, value in inputs.items()}

    def withdraw(self, stage: Stage[C]) -> None:
        """Take back everything that builds on `stage` and must not outlive it."""
        stages, below = self.context.stages, {stage.name}
        for other in stages:
            if below & set(other.inputs):
                below.add(other.name)
        withdrawn = False
        for other in stages:
            if other.name == stage.name or other.name not in below or other.withdraw is None:
                continue
            record = self.context.path / other.record
            if record.is_file():
                console.print(f"{other.name}: withdrawn ({stage.name} runs anew)", soft_wrap=True)
            record.unlink(missing_ok=True)
            other.withdraw(self.context.path)
            withdrawn = True
        if withdrawn:
            self._changed()

    # ---- what a stage is made from ----

    def settings(self, stage: Stage[C]) -> dict[str, Any]:
        """The seed and the tables that a stage reads, as plain JSON."""
        config = self.context.config
        tables = {name: getattr(config, name).model_dump(mode="json") for name in stage.tables}
        return self._deciding(stage, {"seed": config.seed, **tables})

    def _deciding(self, stage: Stage[C], settings: Mapping[str, Any]) -> dict[str, Any]:
        """The settings without keys that change no result."""
        found = dict(settings)
        for name in (table for table in stage.tables if isinstance(found.get(table), Mapping)):
            idle = getattr(self.context.config, name).IDLE
            found[name] = {key: value for key, value in found[name].items() if key not in idle}
        return found

    def inputs_of(self, stage: Stage[C]) -> dict[str, str]:
        """Hashes of what a stage is made from: the outputs of other stages, and what lies outside the study."""
        records = {name: self.context.record(name) for name in stage.inputs}
        hashes = {name: record.output_hash if record else "missing" for name, record in records.items()}
        if stage.name not in self._outside:
            self._outside[stage.name] = dict(stage.fingerprint(self.context))
        return hashes | self._outside[stage.name]

    def key(self, stage: Stage[C]) -> str:
        """Hash of everything that decides what a stage makes: its settings, its inputs, its plug-ins."""
        return self._key(stage, self.inputs_of(stage), self._plugins(stage))

    def _plugins(self, stage: Stage[C]) -> list[dict[str, str]]:
        return [dict(plugin) for plugin in self.context.plugins_of(stage)]

    def _key(self, stage: Stage[C], inputs: Mapping[str, str], plugins: Sequence[Mapping[str, str]]) -> str:
        return hash_json([LAYOUT, stage.name, self.settings(stage), inputs, plugins])

    def _state(self, stage: Stage[C]) -> State:
        record = self.context.record(stage.name)
        if record is None:
            return State("missing")
        reason = (
            self._other_settings(stage, record)
            or self._other_inputs(stage, record)
            or self._other_plugins(stage, record)
            or self._other_outputs(stage, record)
        )
        return State("stale", reason) if reason else State("fresh")

    def _other_settings(self, stage: Stage[C], record: StageRecord) -> str:
        """Which settings differ, those that somebody changed apart from those that came with another version."""
        before, after = self._deciding(stage, record.config), self.settings(stage)
        typed: list[str] = []
        other: list[str] = []
        for name in dict.fromkeys((*after, *before)):
            old, new = before.get(name), after.get(name)
            if not (isinstance(old, Mapping) and isinstance(new, Mapping)):
                typed += changes({name: old}, {name: new})
                continue
            known = [key for key in new if key in old]
            typed += changes({key: old[key] for key in known}, {key: new[key] for key in known}, name)
            other += [f"[{name}] {key} = {_shown(new[key])} is new" for key in new if key not in old]
            other += [f"[{name}] {key} is gone" for key in old if key not in new]
        by_version = f"made by {_maker(record)}, whose settings were others: {told(other)}" if other else ""
        return "; ".join(filter(None, (f"study.toml: {told(typed)}" if typed else "", by_version)))

    def _other_inputs(self, stage: Stage[C], record: StageRecord) -> str:
        found, reasons = self.inputs_of(stage), []
        for name, value in found.items():
            ours = name in stage.inputs
            # what is not at hand any more (downloaded weights, say) is taken to be what it was
            if record.inputs.get(name) != value and (ours or value):
                gone = ours and value == "missing"
                reasons.append(f"{name} is missing" if gone else f"{name} ran anew" if ours else f"{name} changed")
        return told(reasons)

    def _other_plugins(self, stage: Stage[C], record: StageRecord) -> str:
        then, now = ({(p["kind"], p["name"]): p for p in found} for found in (record.plugins, self._plugins(stage)))
        return told(
            f"the {kind} {name} of a plug-in changed"
            for kind, name in sorted({*then, *now})
            if then.get((kind, name)) != now.get((kind, name))
        )

    def _other_outputs(self, stage: Stage[C], record: StageRecord) -> str:
        for name, digest in record.outputs.items():
            path = self.context.path / name
            if not path.is_file():
                return f"{name} is gone"
            if sha256_file(path) != digest:
                return f"{name} was altered"
        if stage.sealed:
            found = (file for pattern in stage.outputs for file in files_of(self.context.path, pattern))
            names = (file.relative_to(self.context.path).as_posix() for file in found)
            return told(f"{name} was added" for name in names if name not in record.outputs and name != stage.record)
        return ""

    # ---- what a stage writes ----

    def _outputs(self, stage: Stage[C]) -> dict[str, str]:
        """SHA-256 of every file that the stage owns, by its path in the study."""
        found = {}
        for pattern in stage.outputs:
            for file in files_of(self.context.path, pattern):
                name = file.relative_to(self.context.path).as_posix()
                if name != stage.record:
                    found[name] = sha256_file(file)
        return dict(sorted(found.items()))

    def marker(self, stage: Stage[C]) -> Path:
        """Where it stands that a stage has begun: the key it began with, and the seconds it took so far."""
        return self.context.path / f".{stage.name}.partial.json"

    def begun(self, stage: Stage[C]) -> bool:
        """Whether a stage has begun, with the settings and inputs of now, and has not ended."""
        marker = self.marker(stage)
        return marker.is_file() and read_json(marker).get("key") == self.key(stage)

    def begin(self, stage: Stage[C]) -> None:
        """What a run does before the work of a stage: withdraw what builds on it, clear what is not of this work."""
        _Work(self, stage, self.key(stage)).begin()

    def of(self, stage: Stage[C]) -> Context[C]:
        """What a stage runs with that has begun."""
        return replace(self.context, key=self.key(stage))

    def spend(self, stage: Stage[C], seconds: float) -> None:
        """Add to the seconds that a stage which has begun took so far."""
        marker = self.marker(stage)
        left = read_json(marker)
        write_json(marker, {**left, "seconds": float(left["seconds"]) + seconds})

    def started(self, stage: Stage[C]) -> bool:
        """Whether the stage has run or has begun to."""
        return (self.context.path / stage.record).exists() or self.marker(stage).exists()


class _Work(Generic[C]):
    """One run of a stage: its beginning, from which on the study is another, and the time that it takes."""

    def __init__(self, engine: Engine[C], stage: Stage[C], key: str) -> None:
        self._engine, self._stage, self.key = engine, stage, key
        self._started, self._spent, self._begun = time.monotonic(), 0.0, False

    @property
    def seconds(self) -> float:
        """The seconds that the stage took, interrupted runs that it goes on from included."""
        return self._spent + time.monotonic() - self._started

    def begin(self) -> None:
        """Withdraw what builds on the stage and clear what an earlier run wrote; does nothing the second time.

        Checkpoints and shards of an interrupted run are kept, but only where its configuration and inputs are the same.
        """
        if self._begun:
            return
        self._begun = True
        study, stage, marker = self._engine.context.path, self._stage, self._engine.marker(self._stage)
        # the record goes first: a stage that is interrupted half-way must never look finished
        (study / stage.record).unlink(missing_ok=True)
        self._engine.withdraw(stage)
        for pattern in stage.outputs:
            sweep_temporaries(study, pattern)
        left = read_json(marker) if marker.is_file() else {}
        if left.get("key") == self.key:
            self._spent = float(left["seconds"])
            return
        for pattern in stage.outputs:
            clear(study, pattern, stage.keeps)
        self._note(0.0)

    def note_spent(self) -> None:
        """Note the seconds of an interrupted run for the next; nothing where it had not begun."""
        if self._begun:
            self._note(self.seconds)

    def _note(self, seconds: float) -> None:
        write_json(self._engine.marker(self._stage), {"key": self.key, "seconds": seconds})


def _maker(record: StageRecord) -> str:
    """The version of the program that made a stage; in development two may have one number."""
    made, ours = record.versions.get("unpersonal", "unknown"), versions()["unpersonal"]
    return f"another state of unpersonal {made}" if made == ours else f"unpersonal {made} (this is {ours})"


def changes(before: Mapping[str, Any], after: Mapping[str, Any], table: str = "") -> Iterator[str]:
    """Every key that differs, as `[table] key old → new`."""
    for name in dict.fromkeys((*after, *before)):
        old, new = before.get(name), after.get(name)
        if old == new:
            continue
        if isinstance(old, Mapping) and isinstance(new, Mapping):
            yield from changes(old, new, f"{table}.{name}" if table else name)
        else:
            yield f"{f'[{table}] ' if table else ''}{name} {_shown(old)} → {_shown(new)}"


def _shown(value: Any) -> str:
    text = "(not set)" if value is None else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"


def told(reasons: Iterable[str]) -> str:
    """The first few reasons in one line."""
    found = list(reasons)
    more = f" and {len(found) - MOST} more" if len(found) > MOST else ""
    return ", ".join(found[:MOST]) + more


def files_of(study: Path, pattern: str) -> list[Path]:
    """The files that an output pattern owns, sorted; hidden and litter files are nobody's."""
    found: set[Path] = set()
    for path in study.glob(pattern):
        inside = path.rglob("*") if path.is_dir() and not path.is_symlink() else [path]
        found.update(file for file in inside if file.is_file() and not is_litter(file.relative_to(study)))
    return sorted(found)


def sweep_temporaries(study: Path, pattern: str) -> None:
    """Remove what a killed process left half-written beside or below the files of an output pattern."""
    below = [inside for path in study.glob(pattern) if path.is_dir() for inside in path.rglob(".*")]
    for path in [*(study / pattern).parent.glob(".*"), *below]:
        if is_temporary(path.name):
            shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)


def clear(study: Path, pattern: str, keeps: Sequence[str] = ()) -> None:
    """Remove the files of an output pattern, except those that match one of `keeps`, and folders left empty."""
    for file in files_of(study, pattern):
        name = PurePosixPath(file.relative_to(study).as_posix())
        if not any(path.match(kept) for path in (name, *name.parents) for kept in keeps):
            file.unlink()
    for path in study.glob(pattern):
        if path.is_symlink():
            path.unlink()
        elif path.is_dir():
            folders = [inside for inside in path.rglob("*") if inside.is_dir()]
            for folder in [*sorted(folders, reverse=True), path]:
                if not any(folder.iterdir()):
                    folder.rmdir()


@cache
def versions() -> dict[str, str]:
    """Versions of what computed a stage."""
    found = {"python": platform.python_version()}
    for name in ("unpersonal", "torch", "numpy"):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "not installed"
    return found
