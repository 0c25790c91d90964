"""A study: the schema of study.toml, and the list of its stages."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationInfo, field_validator, model_validator

from .audit.config import AuditConfig
from .audit.figures import AuditFigures
from .codec.config import CodecConfig
from .codec.figures import EncodeFigures
from .cohort.figures import CohortFigures
from .core.arguments import verb
from .core.config import build_config
from .core.distributed import world
from .core.errors import InputError
from .core.extras import extras_named
from .core.files import read_text, write_json
from .core.hashing import hash_json
from .core.parts import ClusterConfig, OpenParts, Shard
from .core.places import StudyHeld
from .core.records import StageRecord, old_layout
from .core.stages import Context, SeededConfig, Stage
from .core.telling import Listener, told_to
from .core.terminal import system_refused
from .diffusion.config import DiffusionConfig
from .diffusion.figures import DiffusionFigures
from .engine import Engine, State
from .features.config import FeaturesConfig
from .features.figures import FeatureFigures
from .images.config import ImagesConfig
from .judges.config import JudgesConfig
from .judges.figures import GateFigures
from .layouts.config import CohortConfig
from .limits import refuse_excess
from .plugins import used_by
from .private import problems
from .release.config import ReleaseConfig
from .release.figures import ReleaseFigures, SignedOff
from .release.policy import PolicyConfig
from .report.figures import ReportFigures
from .synthesis.config import SynthesisConfig
from .synthesis.figures import SynthesisFigures
from .utility.config import UtilityConfig
from .utility.figures import UtilityFigures

if TYPE_CHECKING:
    from .cohort.inspect.understanding import Understanding
    from .cohort.read import Needs
    from .cohort.table import Cohort
    from .report.summary import Summary
    from .shards import ShardDone


class StudyConfig(SeededConfig):
    """Everything in study.toml: a table for each stage or two, and the study's seed."""

    cohort: CohortConfig
    images: ImagesConfig = ImagesConfig()
    codec: CodecConfig = CodecConfig()
    features: FeaturesConfig = FeaturesConfig()
    diffusion: DiffusionConfig = DiffusionConfig()
    judges: JudgesConfig = JudgesConfig()
    synthesis: SynthesisConfig = SynthesisConfig()
    audit: AuditConfig = AuditConfig()
    utility: UtilityConfig = UtilityConfig()
    policy: PolicyConfig = PolicyConfig()
    release: ReleaseConfig = ReleaseConfig()
    cluster: ClusterConfig = ClusterConfig()

    @field_validator("codec")
    @classmethod
    def _images_fit(cls, value: CodecConfig, info: ValidationInfo) -> CodecConfig:
        if "images" in info.data:  # absent where that table itself is wrong
            value.check_size(info.data["images"].size)
        return value

    @model_validator(mode="after")
    def _licence_fits_the_terms(self) -> StudyConfig:
        if self.release.license and self.policy.profile != "open":
            raise ValueError(
                f"release.license names a licence, and policy.profile is {self.policy.profile!r}, whose recipients sign"
                " terms: leave the licence out"
            )
        return self

    @model_validator(mode="after")
    def _private_training_reads_nobody_before(self) -> StudyConfig:
        if found := problems(self):
            raise ValueError(f"dp_epsilon asks for differential privacy, which these break: {'; '.join(found)}")
        return self


@dataclass
class Study:
    """A study folder with a valid study.toml.

    `Study.open(path)` reads it, `run()` runs what is not fresh, `summary()` gives the figures so far.
    """

    path: Path
    config: StudyConfig
    device_name: str = "auto"
    reasons: list[str] = field(default_factory=list)
    understood: Understanding | None = field(default=None, repr=False, compare=False)

    @classmethod
    @verb()
    def open(cls, path: Path | str, *, device: str = "auto") -> Study:
        """Open a study folder; what is no study, has a wrong study.toml, or an older layout is an `InputError`."""
        path = Path(path).expanduser()
        toml = path / "study.toml"
        if not toml.is_file():
            raise InputError(
                "This folder is no study: it has no study.toml",
                where=str(path),
                how="create a study with `unpersonal init STUDY --images PATH`",
            )
        for stage in stage_list():
            StageRecord.read(path / stage.record)  # of an older layout is refused, before its keys are called unknown
        return cls(path, read_config(toml), device)

    @property
    def understanding(self) -> Understanding:
        """What `init_study` understood of the input, with examples that name images.

        A study that was opened does not know it any more: that is an `InputError`.
        """
        if self.understood is None:
            raise InputError(
                "What was understood of the images is known only to whoever creates the study",
                where=str(self.path),
                how="see cohort() and quarantine.csv, or create the study anew",
            )
        return self.understood

    def cohort(self) -> Cohort:
        """Images, subjects, labels and splits as `init_study` or the stage `cohort` read them."""
        from .cohort.table import load_cohort

        with system_refused(), extras_named():
            return load_cohort(self.path)

    @property
    def context(self) -> Context[StudyConfig]:
        """What the stages of this study run with."""
        return Context(
            self.path,
            self.config,
            stage_list(),
            self.device_name,
            self.reasons,
            plugins_of=partial(_plugins, self.config),
            cluster=self.config.cluster,
        )

    @property
    def engine(self) -> Engine[StudyConfig]:
        """The engine that runs them; it keeps summary.json up to date."""
        return self._engine(None)

    def _engine(self, until: str | None) -> Engine[StudyConfig]:
        """The engine of a run up to `until`; a name that is no stage is for it to refuse."""
        known = until in [stage.name for stage in stage_list()]
        context = replace(self.context, until=until if known else None)
        return Engine(context, changed=lambda: write_json(self.path / "summary.json", self.summary().to_json()))

    @verb()
    def run(self, *, until: str | None = None, progress: Listener | None = None) -> Summary:
        r"""Run every stage that is not fresh, in order, up to `until`; returns the summary.

        `progress` is called with every `Progress` of every stage. After an interruption the same call goes on.

        Examples:
            >>> from unpersonal import init_study, phantom
            >>> count = phantom("people", subjects=120, size=32)
            >>> study = init_study("mine", "people", subject=r"(?P<subject>sub-\d+)", preset="tiny")
            >>> events = []
            >>> summary = study.run(until="cohort", progress=events.append)
            >>> summary.figures.cohort.subjects, events[-1].stage, events[-1].done == events[-1].total
            (120, 'cohort', True)

        Raises `PolicyRefused` after the report was written where the policy does not allow the release, and
        `InputError` for an unknown stage, a wrong input, or a study that another process is running. Where `torchrun`
        started several processes, the first runs the stages and the others help it to train the diffusion model; they
        return an empty one.
        """
        engine = self._engine(until)
        with told_to(progress), system_refused(), extras_named():
            if self.context.stage("diffusion") in engine.until(until):
                from .planning import refuse_training

                refuse_training(self)
            engine.run(until)
        return self.summary() if world().first else nothing_of(self.config.seed)

    def run_shard(self, shard: Shard | str) -> ShardDone:
        """Make the parts of the synthesis stage that are those of `shard` ("0/4" … "3/4"), beside other shards.

        The shard that ends last also joins the parts; `run` does so too, and goes on. Everything before must be fresh,
        else that is an `InputError`, and so is a study that a run, or the same shard, has at the same time.
        """
        from .shards import run_shard

        done = run_shard(self.engine, Shard.parse(shard) if isinstance(shard, str) else shard)
        if not done.joined and done.there == done.parts:
            # a shard that is still at work is the last one
            with suppress(StudyHeld):
                self.run(until=done.stage)
                return replace(done, joined=True)
        return done

    def plan(self, until: str | None = None) -> dict[str, str]:
        """What `run` would do: for every stage up to `until` `fresh` (nothing), or why it would run."""
        return {name: state.word for name, state in self.states(until).items()}

    def freshness(self) -> dict[str, str]:
        """For every stage `fresh`, `stale` (ran with other inputs or was altered) or `missing`."""
        return self.plan()

    def states(self, until: str | None = None) -> dict[str, State]:
        """The state of every stage up to `until`, with the file, key or stage that made it stale."""
        engine = self._engine(until)
        states = engine.states()
        return {stage.name: states[stage.name] for stage in engine.until(until)}

    def read_by_init(self) -> bool:
        """Whether the cohort is the one that `init` wrote, which no run has confirmed yet."""
        return (self.path / "cohort.parquet").is_file() and not self.engine.started(stage_list()[0])

    def figures(self, stage: str) -> dict[str, Any] | None:
        """The figures that a stage returned, or None where it has not run."""
        record = self.context.record(stage)
        return record.figures if record else None

    def summary(self) -> Summary:
        """What summary.json holds: rates and AUROCs as fractions, a key per stage that ran, seconds per stage."""
        return summary_of(self.context)


def summary_of(context: Context[StudyConfig]) -> Summary:
    """The figures of all stages that ran."""
    from .report.summary import Summary

    records = {stage.name: record for stage in context.stages if (record := context.record(stage.name))}
    released = "release" in records and (context.path / "release" / "manifest.json").is_file()
    found = Summary.recorded(records, seed=context.seed, released=released, reasons=tuple(context.reasons))
    return replace(found, figures=replace(found.figures, signed=_signed(context)))


def nothing_of(seed: int) -> Summary:
    """The summary of a study of which nothing ran."""
    from .report.summary import Outcome, Summary

    return Summary(seed=seed, outcome=Outcome(released=False, reasons=()))


def _signed(context: Context[StudyConfig]) -> SignedOff | None:
    """The sign-off of what the stages recorded, where there is one."""
    from .release.sign_off import signed_off

    records = {stage.name: record for stage in context.stages if (record := context.record(stage.name))}
    return signed_off(context.path, records, context.config.policy, context.config.release)


def read_config(path: Path) -> StudyConfig:
    """Read and validate a study.toml; every problem is named in one `InputError`."""
    import tomlkit
    from tomlkit.exceptions import TOMLKitError

    try:
        values = tomlkit.parse(read_text(path)).unwrap()
    except TOMLKitError as error:
        raise InputError(f"study.toml is not valid TOML ({error})", where=str(path), how="correct it") from None
    codec = values.get("codec")
    if "images" not in values and isinstance(codec, dict) and codec.keys() & ImagesConfig.model_fields.keys():
        raise old_layout(path)
    config = build_config(StudyConfig, values, where=str(path))
    refuse_excess(config, str(path))
    return config


def needs_of(config: StudyConfig) -> Needs:
    """What a study asks of its cohort."""
    from .cohort.read import Needs

    return Needs(config.policy.gate_miss_upper, config.judges.confidence)


def _plugins(config: StudyConfig, stage: Stage[StudyConfig]) -> list[dict[str, str]]:
    """The plug-ins that the tables of a stage name."""
    return [plugin.to_json() for table in stage.tables for plugin in used_by(getattr(config, table))]


# ---- the stages: rooms are imported when they run ----


def _cohort(context: Context[StudyConfig]) -> Any:
    from .cohort.stage import run_stage

    config = context.config
    return run_stage(
        context.path,
        config.cohort,
        images=config.images,
        seed=context.seed,
        needs=needs_of(config),
        begin=context.begin,
    )


def _cohort_inputs(context: Context[StudyConfig]) -> dict[str, str]:
    from .layouts.fingerprint import fingerprint

    return {"images": fingerprint(context.config.cohort, base=context.path)}


def _encode(context: Context[StudyConfig]) -> Any:
    from .codec.stage import run_stage

    return run_stage(context.path, context.config.codec, seed=context.seed, device=context.device)


def _encode_inputs(context: Context[StudyConfig]) -> dict[str, str]:
    return {"codec weights": context.config.codec.fingerprint(context.path)}


def _features(context: Context[StudyConfig]) -> Any:
    from .features.stage import run_stage

    return run_stage(context.path, context.config.features, seed=context.seed, device=context.device)


def _features_inputs(context: Context[StudyConfig]) -> dict[str, str]:
    return context.config.features.fingerprints(context.path)


def _diffusion(context: Context[StudyConfig]) -> Any:
    from .diffusion.stage import run_stage

    if context.config.diffusion.shards > 1 and context.config.audit.model:
        raise InputError(
            "An audit with the model takes one denoiser, and shards train two",
            where="[diffusion] shards",
            how="set it to 1, or set audit.model = false",
        )
    return run_stage(
        context.path,
        context.config.diffusion,
        seed=context.seed,
        device=context.device,
        canaries=context.config.audit.canaries,
    )


def _diffusion_inputs(context: Context[StudyConfig]) -> dict[str, str]:
    found = {"audit.canaries": str(canaries)} if (canaries := context.config.audit.canaries) else {}
    if start := context.config.diffusion.source:
        from .diffusion.transfer import start_hash

        found["start checkpoint"] = start_hash(context.path, start)
    return found


def _judges(context: Context[StudyConfig]) -> Any:
    from .core.spread import spreading
    from .judges.stage import run_stage

    # networks on this machine's device are asked: its processes alone
    with spreading(context.cluster if context.cluster.engine == "local" else ClusterConfig()):
        return run_stage(
            context.path,
            context.config.judges,
            seed=context.seed,
            device=context.device,
            soft=context.config.synthesis.soft,
        )


def _judges_inputs(context: Context[StudyConfig]) -> dict[str, str]:
    return {"synthesis.soft": "true"} if context.config.synthesis.soft else {}


def _synthesis(context: Context[StudyConfig]) -> Any:
    from .synthesis.stage import join_parts

    return join_parts(context.path, context.config.synthesis, seed=context.seed, key=context.key)


def _synthesis_parts(context: Context[StudyConfig]) -> OpenParts:
    from .synthesis.stage import open_parts

    return partial(
        open_parts,
        context.path.resolve(),
        context.config.synthesis,
        seed=context.seed,
        device_name=context.device_name,
        key=context.key,
    )


def _synthesis_foreseen(context: Context[StudyConfig]) -> None:
    from .cohort.table import load_cohort
    from .synthesis.label_sets import check_label_sets

    # whoever only wants what comes before may do with fewer people
    if context.reaches("synthesis") or not isinstance(context.config.synthesis.labels, str):
        check_label_sets(load_cohort(context.path), context.config.synthesis, context.config.features.shared_by)


def _audit(context: Context[StudyConfig]) -> Any:
    from .audit.attempts import LEDGER, Ledger, remembered
    from .audit.stage import run_stage
    from .core.spread import spreading
    from .swap_studies import remove_halves, run_halves
    from .synthesis.reviewed import check_review

    swap = context.config.audit.design == "swap"
    if not world().first:
        # this process helps to train, and does not audit
        if swap:
            run_halves(context)
        return {}
    check_review(context.path)
    record = context.record("audit")
    # the record remembers how many attempts there were, and is gone from here on
    context.begin()
    if not swap:
        remove_halves(context.path)
    halves = run_halves(context) if swap else ()
    with spreading(context.cluster):
        return run_stage(
            context.path,
            context.config.audit,
            seed=context.seed,
            device=context.device,
            profile=context.config.policy.margins(),
            final=context.reaches("release") or Ledger(context.path / LEDGER).opened(),
            known=remembered(record.figures if record else None),
            halves=halves,
        )


def _audit_inputs(context: Context[StudyConfig]) -> dict[str, str]:
    found = {}
    if context.config.audit.design == "swap":
        from .swap_studies import procedure_hash

        found["the procedure that is audited"] = procedure_hash(context.config)
    if context.config.audit.sealed:
        from .audit.attempts import LEDGER, Ledger

        final = context.reaches("release") or Ledger(context.path / LEDGER).opened()
        found["seal"] = "open" if final else "closed"
    return found | _reviewed(context)


def _reviewed(context: Context[StudyConfig]) -> dict[str, str]:
    """What a review removed; nothing where none did, so that a study that nobody reviewed stays as it was."""
    from .synthesis.reviewed import refuse_lost, review_key

    key, record = review_key(context.path), context.record("audit")
    if record and record.inputs.get("review", "nothing") != "nothing":
        refuse_lost(context.path)
    return {"review": key or "nothing"} if key or (record and "review" in record.inputs) else {}


def _utility(context: Context[StudyConfig]) -> Any:
    from .utility.stage import run_stage

    return run_stage(context.path, context.config.utility, seed=context.seed, device=context.device)


def _release(context: Context[StudyConfig]) -> Any:
    from .release.stage import run_stage
    from .synthesis.reviewed import note_release

    figures = summary_of(context).figures
    policy, told = context.config.policy, context.config.release
    made = run_stage(context.path, policy=policy, seed=context.seed, figures=figures, told=told)
    note_release(context.path)
    return made


def _release_inputs(context: Context[StudyConfig]) -> dict[str, str]:
    from .audit.attempts import study_problems
    from .release.history import History
    from .release.provenance import credential_fingerprint
    from .release.signing import Signer
    from .release.stage import history_reasons, known_releases

    figures, release = context.figures("audit"), context.config.release
    problems = study_problems(context.path, figures) if isinstance(figures, AuditFigures) else []
    told = {"attempts": "; ".join(problems) or "whole", "max_releases": str(context.config.policy.max_releases)}
    told |= _sign_off(context)
    if broken := history_reasons(context.path):
        told["history"] = broken[0]
    else:
        record, history = context.figures("release"), History(context.path)
        # a ledger that has gone is refused before the last that knows of it has gone too
        history.check(known_releases(context.path, record if isinstance(record, ReleaseFigures) else None))
        if withdrawn := history.withdrawn():
            told["withdrawn"] = ", ".join(sorted(withdrawn))
    # who cannot sign is refused before anything is withdrawn
    if certificate := credential_fingerprint(release.c2pa_certificate, context.path):
        told["certificate"] = certificate
    if signer := Signer.of(release, context.path):
        told["key"] = signer.public_key_sha256()
    return told


def _release_foreseen(context: Context[StudyConfig]) -> None:
    from .release.rehearsal import rehearse

    if context.reaches("release"):
        rehearse(context.config.release, context.path)


def _sign_off(context: Context[StudyConfig]) -> dict[str, str]:
    """The sign-off that a release tells of; nothing where there is none and none is needed."""
    if signed := _signed(context):
        return {"sign-off": hash_json(signed.to_json())}
    record = context.record("release")
    wanted = context.config.policy.sign_off or (record is not None and "sign-off" in record.inputs)
    return {"sign-off": "missing"} if wanted else {}


def _withdraw_release(study: Path) -> None:
    from .release.stage import remove_release

    remove_release(study)


def _report(context: Context[StudyConfig]) -> Any:
    from .report.stage import run_stage

    return run_stage(context.path, summary=summary_of(context))


def _withdraw_report(study: Path) -> None:
    for name in ("report.html", "private.html"):
        (study / name).unlink(missing_ok=True)


AUDITED = (
    "audit/*.*",
    *(f"audit/swap/*/{name}" for name in ("cohort.parquet", "models/*/*.safetensors", "candidates/selected*")),
)
"""Figures and rows of the audit, and of the halves of a swap who they are, what was trained and what was audited.

Their stages, with records of their own, say what else is fresh of them.
"""
HALVES = "audit/swap"
"""Kept whatever the inputs were: found by the records of the halves' own stages."""
PREPARED = ("store/images.npy", "store/index.parquet", "store/blocks-*")
"""The prepared images: found by content, row by row."""


@cache
def stage_list() -> tuple[Stage[StudyConfig], ...]:
    """The stages in the order in which data walks through them."""
    return (
        Stage(
            name="cohort",
            tables=("cohort", "images"),
            inputs=(),
            outputs=("cohort.parquet", "quarantine.csv", "texts.parquet", *PREPARED),
            record="cohort.stage.json",
            figures=CohortFigures,
            run=_cohort,
            fingerprint=_cohort_inputs,
            reads_first=True,
            keeps=PREPARED,
        ),
        Stage(
            name="encode",
            tables=("codec",),
            inputs=("cohort",),
            outputs=("store/codec*", "store/latents*", "store/checkpoint-codec-*", "store/moments-*"),
            record="store/stage.json",
            figures=EncodeFigures,
            run=_encode,
            fingerprint=_encode_inputs,
        ),
        Stage(
            name="features",
            tables=("features",),
            inputs=("cohort", "encode"),
            outputs=("features",),
            record="features/stage.json",
            figures=FeatureFigures,
            run=_features,
            fingerprint=_features_inputs,
        ),
        Stage(
            name="diffusion",
            tables=("diffusion",),
            inputs=("cohort", "encode", "features"),
            outputs=("models/diffusion",),
            record="models/diffusion/stage.json",
            figures=DiffusionFigures,
            run=_diffusion,
            fingerprint=_diffusion_inputs,
            shared=True,
        ),
        Stage(
            name="judges",
            tables=("judges",),
            inputs=("cohort", "encode", "features", "diffusion"),
            outputs=("models/judges",),
            record="models/judges/stage.json",
            figures=GateFigures,
            run=_judges,
            fingerprint=_judges_inputs,
        ),
        Stage(
            name="synthesis",
            tables=("synthesis",),
            inputs=("cohort", "encode", "features", "diffusion", "judges"),
            outputs=("candidates",),
            record="candidates/stage.json",
            figures=SynthesisFigures,
            run=_synthesis,
            shared=True,
            foresees=("cohort",),
            foresee=_synthesis_foreseen,
            parts=_synthesis_parts,
        ),
        Stage(
            name="audit",
            tables=("audit", "policy"),
            inputs=("cohort", "encode", "diffusion", "synthesis"),
            outputs=AUDITED,
            record="audit/stage.json",
            figures=AuditFigures,
            run=_audit,
            fingerprint=_audit_inputs,
            reads_first=True,
            keeps=(HALVES,),
            shared=True,
        ),
        Stage(
            name="utility",
            tables=("utility",),
            inputs=("cohort", "encode", "synthesis", "audit"),
            outputs=("utility",),
            record="utility/stage.json",
            figures=UtilityFigures,
            run=_utility,
        ),
        Stage(
            name="release",
            tables=("policy", "release"),
            inputs=("cohort", "diffusion", "judges", "synthesis", "audit", "utility"),
            outputs=("release",),
            record="release.stage.json",
            figures=ReleaseFigures,
            run=_release,
            fingerprint=_release_inputs,
            withdraw=_withdraw_release,
            sealed=True,
            foresee=_release_foreseen,
        ),
        Stage(
            name="report",
            tables=("policy",),
            inputs=(
                "cohort",
                "encode",
                "features",
                "diffusion",
                "judges",
                "synthesis",
                "audit",
                "utility",
                "release",
            ),
            outputs=("report.html", "private.html"),
            record="report.stage.json",
            figures=ReportFigures,
            run=_report,
            withdraw=_withdraw_report,
        ),
    )
