"""The command line: thin, with heavy imports inside the commands.

Exit codes: 0 done; 2 the input or the configuration is wrong; 3 the policy refused; 1 a bug; see `commands/ends.py`.
"""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from . import __version__
from .audit.profiles import ProfileName
from .commands.base import ASKED, DeviceOption, JsonFlag, QuietFlag, VerboseFlag, ask, guarded, say, show
from .commands.completion import completing, presets, stages
from .commands.doctor import doctor
from .commands.ends import epilog_of
from .commands.export import export
from .commands.policy import policy
from .commands.review import review
from .commands.schema import schema
from .commands.sign_off import sign_off
from .commands.trust import AnchorsOption, ChainOption, KeyOption, NoticeOption, trusted
from .commands.usage import usage_errors_told, with_codes
from .commands.withdraw import withdraw
from .core.distributed import world
from .core.errors import InputError, PolicyRefused
from .core.terminal import console, exit_code, flush_output, prepare_streams, settle_help, show_warnings
from .core.verbosity import quiet
from .core.words import share
from .presets import EDM2

if TYPE_CHECKING:
    from .engine import State
    from .report.summary import Summary
    from .study import Study


class Commands(TyperGroup):
    """The commands. Most options of `init` are made where it is called: reading its configuration takes a moment."""

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        command = super().get_command(ctx, cmd_name)
        return command if command is None else with_codes(command, cmd_name)

    def resolve_command(self, ctx: Any, args: list[str]) -> tuple[str | None, Any, list[str]]:
        name, command, rest = super().resolve_command(ctx, args)
        if name == init.__name__:
            from .init_options import command_with_options

            command = with_codes(command_with_options(init), name)
        return name, command, rest

    def main(self, args: Any = None, *others: Any, **kwargs: Any) -> Any:
        """Run the command line; what it printed is written out before it ends."""
        args = list(sys.argv[1:] if args is None else args)
        ASKED.typed = "--json" in args[: args.index("--") if "--" in args else None]
        show_warnings()
        try:
            prepare_streams()
            if not args or "--help" in args:
                settle_help()
            result = super().main(args, *others, **kwargs)
        except SystemExit as ending:
            raise SystemExit(ending.code or flush_output()) from None
        except InputError as error:
            print(f"unpersonal: {error}", file=sys.stderr)
            raise SystemExit(2) from None
        except OSError as error:
            raise SystemExit(exit_code(error)) from None
        flush_output()
        return result

    def make_context(self, *args: Any, **kwargs: Any) -> Any:
        with usage_errors_told():
            return super().make_context(*args, **kwargs)

    def invoke(self, ctx: Any) -> Any:
        with usage_errors_told():
            return super().invoke(ctx)


app = typer.Typer(
    cls=Commands,
    help="Turn a personal image dataset into one that may be shared, and say how far it may be trusted.",
    epilog=epilog_of(""),
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
)


def version_asked(asked: bool) -> None:
    """Print the version and leave."""
    if asked:
        typer.echo(__version__)
        raise typer.Exit


@app.callback()
def main(
    version: Annotated[
        bool, typer.Option("--version", callback=version_asked, is_eager=True, help="Print the version.")
    ] = False,
    as_json: JsonFlag = False,
    quiet: QuietFlag = False,
    verbose: VerboseFlag = 0,
) -> None:
    """Synthetic image datasets with evidence."""
    ask(as_json=as_json, quiet=quiet, verbose=verbose)


@app.command("demo")
@guarded
def demo_command(
    path: Annotated[
        Path, typer.Argument(metavar="[DIR]", help="Folder of the study; its images go to DIR-images.")
    ] = Path("demo-study"),
    device: DeviceOption = "auto",
    as_json: JsonFlag = False,
) -> None:
    """Run the main job on the embedded phantom cohort (minutes on two CPU cores)."""
    from .verbs import demo

    finish(path, lambda: demo(path, device=device), as_json)


@app.command()
@guarded
def init(
    study: Annotated[Path, typer.Argument(help="Folder of the new study.")],
    *,
    preset: Annotated[
        str,
        typer.Option(
            autocompletion=completing(presets),
            help="Size of networks and work. cpu: 64 px, a few thousand images, half an hour on two CPU cores; "
            "demo: 32 px, minutes; tiny: 32 px, seconds a stage, only to try the commands; "
            "edm2-xs: 256 px, the paper's networks, needs a GPU; paper: 512 px, the paper's method as far as the gate "
            "allows. EDM2's published sizes, for GPUs: "
            + ", ".join(f"edm2-{name}: {name[3 : name.index('-')]} px" for name in EDM2)
            + ".",
        ),
    ] = "cpu",
    size: Annotated[int | None, typer.Option(help="Edge of the images in pixels; the preset's where absent.")] = None,
    fit: Annotated[
        str | None,
        typer.Option(help="How an image becomes square. crop: its middle is kept; pad: all of it, with black."),
    ] = None,
    read_text: Annotated[
        str | None,
        typer.Option(
            help="Whether images that look as if text were burned in are read, to tell names and dates from markers. "
            "auto (the default): where the extra ocr is installed; always; never. No text is kept."
        ),
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed of everything that is drawn.", min=0)] = 0,
    as_json: JsonFlag = False,
    **cohort: Any,
) -> None:
    """Read the images completely, say what was understood, refused and is suspicious, and create a study."""
    from .init import audit_prospect
    from .init_options import cohort_keys
    from .verbs import init_study

    keys = cohort_keys(cohort)
    images = keys.pop("images")
    created = init_study(study, images, preset=preset, size=size, fit=fit, read_text=read_text, seed=seed, **keys)
    found, understanding = created.cohort(), created.understanding
    prospect = audit_prospect(study, found)
    if as_json:
        facts = {"study": str(study), "classes": list(found.classes), "colour": found.colour}
        show({**facts, **understanding.to_dict(), "audit": prospect.to_json()})
        return
    if quiet():
        for told in understanding.warnings:
            typer.echo(f"WARNING: {told.sentence}.", err=True)
        return
    from .cohort.inspect.printing import print_understanding

    print_understanding(understanding, console())
    typer.echo("\n" + "\n".join(prospect.lines()))
    if warning := prospect.warning():
        typer.echo(f"WARNING: {warning}.")
    typer.echo(f"\nStudy written: {study / 'study.toml'}. Next: {next_command(study)}")


def next_command(study: Path) -> str:
    """The command that runs a study, as a shell takes it."""
    name = str(study)
    return f"unpersonal run {shlex.quote(name if not name.startswith('-') else f'./{name}')}"


@app.command()
@guarded
def run(
    study: Annotated[Path, typer.Argument(help="Folder of the study.")],
    until: Annotated[
        str | None,
        typer.Option(
            autocompletion=completing(stages), help="Last stage to run; `unpersonal status STUDY` names them."
        ),
    ] = None,
    device: DeviceOption = "auto",
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would run and how much memory training needs; do nothing.")
    ] = False,
    shard: Annotated[
        str | None,
        typer.Option(
            metavar="I/N",
            help="Draw only shard I of N (0/4 … 3/4), beside the others, once all before is done; for array jobs.",
        ),
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    """Run every stage that is not fresh; the same command continues after an interruption.

    Several GPUs: `torchrun --nproc-per-node N -m unpersonal run STUDY`; they share every batch of the diffusion model,
    and the images to be drawn. Several machines: --shard, or Ray (`[cluster] engine`); docs/scaling.md has both.
    """
    from .study import Study

    opened = Study.open(study, device=device)
    if shard is not None:
        run_one_shard(opened, shard, until, dry_run, as_json)
        return
    if dry_run:
        show_plan(opened, until, as_json)
        return
    if not world().first:
        opened.run(until=until)
        return
    finish(study, lambda: opened.run(until=until), as_json, until)


def run_one_shard(study: Study, shard: str, until: str | None, dry_run: bool, as_json: bool) -> None:
    """Make the parts of one shard, and say how many are there."""
    from .core.parts import Shard
    from .shards import stage_in_parts

    wanted, stage = Shard.parse(shard), stage_in_parts(study.context).name
    if dry_run or until not in (None, stage):
        given = "--dry-run" if dry_run else f"--until {until}"
        raise InputError(f"A shard makes parts of {stage} and nothing else", where=given, how="leave it out")
    done = study.run_shard(wanted)
    if as_json:
        show({"shard": str(wanted), **asdict(done)})
        return
    if done.joined and not done.parts:
        typer.echo(f"{stage} is whole: nothing to do. Next: {next_command(study.path)}")
        return
    typer.echo(f"{stage}: shard {wanted} made {done.made} parts; {done.there} of {done.parts} parts are there.")
    if done.joined:
        typer.echo(f"All were joined. Next: {next_command(study.path)}")
    else:
        typer.echo(f"Next: the other shards; the last of them, or `{next_command(study.path)}`, joins the parts.")


def show_plan(study: Study, until: str | None, as_json: bool) -> None:
    """Print what a run would do, and what training would need."""
    from .planning import training_needs

    states = study.states(until)
    if as_json:
        stages = {name: state.word for name, state in states.items()}
        reasons = {name: state.reason for name, state in states.items() if state.reason}
        show({"stages": stages, "reasons": reasons, "training": training_needs(study)})
        return
    for name, state in states.items():
        why = f"{state.word}: {state.reason}" if state.reason else state.word
        typer.echo(f"{name:<12}{'nothing to do' if state.word == 'fresh' else f'runs ({why})'}")
    # the stages are told also where what training needs is not known
    needs = training_needs(study)
    typer.echo("")
    for line in needs["assumed"]:
        typer.echo(f"assumed: {line}")
    for name, need in needs["networks"].items():
        typer.echo(
            f"{name}: {need['parameters'] / 1e6:,.1f} million parameters, {need['images']:,} images in "
            f"{need['steps']:,} steps; peak memory of training about {need['peak_bytes'] / 2**30:,.2f} GiB "
            f"({need['precision']}, {need['per_process']} images a process)"
        )
        if need["invented_images"]:
            typer.echo(f"{name}: before that, {need['invented_images']:,} images of invented people")
    memory = needs["memory_bytes"]
    if any(need["peak_bytes"] > memory for need in needs["networks"].values()):
        typer.echo(
            f"That is more than the {memory / 2**30:,.1f} GiB of this device ({needs['device']}): raise [diffusion] "
            "accumulation, lower batch, or share the batch between processes (torchrun)"
        )
    if study.config.diffusion.shards > 1:
        typer.echo("shards = 2: each denoiser and guide learns from half of the people, and draws images of the other")
    if study.config.diffusion.horizontal_flip:
        typer.echo("horizontal_flip = true: nothing that this model draws can be released (docs/threat-model.md)")
    if needs["generators"] > 1:
        typer.echo(
            f'[audit] design = "swap": {needs["generators"]} generators are trained and drawn from, one of everybody '
            "and one of each half of the train people, so that training and synthesis take about three times as long"
        )
    typer.echo(f"sampling: {needs['evaluations']} evaluations a candidate, {needs['most_candidates']:,} at most")


@app.command()
@guarded
def status(study: Annotated[Path, typer.Argument(help="Folder of the study.")], as_json: JsonFlag = False) -> None:
    """Say of every stage whether it is fresh, stale (its inputs changed) or missing, and what to run next."""
    from .study import Study

    opened = Study.open(study)
    states = opened.states()
    if as_json:
        show({name: state.word for name, state in states.items()})
        return
    read = opened.read_by_init()
    for name, state in states.items():
        typer.echo(f"{name:<12}{'read by init, not yet confirmed' if read and name == 'cohort' else state}")
    if made := other_version(opened, states):
        typer.echo(f"\n{made}")
    if read:
        typer.echo(f"\nNext: {next_command(study)} (confirms the cohort as init read it, then goes on)")
    elif any(state.word != "fresh" for state in states.values()):
        typer.echo(f"\nNext: {next_command(study)} (runs what is stale or missing)")


def other_version(study: Study, states: Mapping[str, State]) -> str:
    """What another version of the program made, and what this one would make again; nothing where there is nothing."""
    records = {name: record for name in states if (record := study.context.record(name))}
    from .engine import versions

    ours = versions()["unpersonal"]
    others = {record.versions.get("unpersonal", "unknown") for record in records.values()} - {ours}
    if not others:
        return ""
    old = [name for name, record in records.items() if record.versions.get("unpersonal") in others]
    again = [name for name in old if states[name].word != "fresh"]
    return (
        f"Made by unpersonal {', '.join(sorted(others))} (this is {ours}): {', '.join(old)}. Would be made again: "
        f"{', '.join(again) or 'nothing, for no setting or input of them changed'}."
    )


@app.command()
@guarded
def audit(
    train: Annotated[Path, typer.Option(help="Images of the people to protect: folder or zip.")],
    control: Annotated[Path, typer.Option(help="Images of people the generator never saw.")],
    synthetic: Annotated[Path, typer.Option(help="The synthetic images.")],
    out: Annotated[Path, typer.Option(help="Folder for the results.")],
    subject: Annotated[
        str | None,
        typer.Option(
            help="Who is on a picture of a real person: regex with the named group `subject`, or `file`. Absent: "
            "PatientID of DICOM, sub-… of BIDS."
        ),
    ] = None,
    auxiliary: Annotated[Path | None, typer.Option(help="The auditor's own people; else half of control.")] = None,
    size: Annotated[int, typer.Option(help="Edge of the squares that are compared, in pixels: 32 to 512.")] = 64,
    profile: Annotated[ProfileName, typer.Option(help="Margins: open, agreement or internal.")] = "open",
    model: Annotated[
        Path | None,
        typer.Option(help="The attacker has the trained model too: a study, or the .safetensors of its denoiser."),
    ] = None,
    swap: Annotated[
        Path | None,
        typer.Option(
            help="Synthetic images of a second generator, trained on the people of --control as the first was on those "
            "of --train (halves drawn by chance): both are audited as one procedure. Needs --auxiliary."
        ),
    ] = None,
    at_random: Annotated[
        bool,
        typer.Option(
            "--control-at-random/--control-not-at-random",
            help="Whether chance decided who trained and who is control; if not, nothing passes.",
        ),
    ] = True,
    sealed: Annotated[
        float, typer.Option(help="Share of the control people that only the last audit sees.", min=0.0, max=0.8)
    ] = 0.0,
    open_seal: Annotated[
        bool, typer.Option("--open-seal", help="This is the last audit: look behind the seal.")
    ] = False,
    ledger: Annotated[
        Path | None, typer.Option(help="Where attempts are recorded; audit-attempts.jsonl beside OUT where absent.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed of everything that is drawn.", min=0)] = 0,
    as_json: JsonFlag = False,
) -> None:
    """Audit anyone's synthetic set; exit code 3 where the verdict is not `pass`."""
    from . import verbs

    figures = verbs.audit(
        train,
        control,
        synthetic,
        out=out,
        subject=subject,
        auxiliary=auxiliary,
        size=size,
        profile=profile,
        model=model,
        swap=swap,
        at_random=at_random,
        sealed=sealed,
        open_seal=open_seal,
        ledger=ledger,
        seed=seed,
    )
    if as_json:
        show(figures.to_json())
    else:
        from .audit.spoken import spoken

        print_sides([side.to_json() for side in figures.reading.sides or ()] if figures.reading else [])
        for note in figures.notes:
            say(f"note: {note}")
        typer.echo("\n" + "\n".join(spoken(figures)))
        say(f"Written: {out / 'report.md'} (to read), {out / 'audit.json'}")
    if figures.verdict != "pass":
        raise PolicyRefused(list(figures.reasons), f"the audit did not pass, its verdict is {figures.verdict}")


@app.command()
@guarded
def metrics(
    real: Annotated[Path, typer.Option(help="Real images: folder or zip.")],
    synthetic: Annotated[Path, typer.Option(help="Synthetic images: folder or zip.")],
    features: Annotated[
        str,
        typer.Option(
            help="Space of the metrics: closed-form (principal components), ssl (trained here without labels), "
            "hf:MODEL (a vision model of transformers), file:PATH.safetensors (weights), or a plug-in's."
        ),
    ] = "closed-form",
    size: Annotated[
        int | None, typer.Option(help="Edge to which images are brought, in pixels; absent: as the space wants it.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed of the halves and subsets.", min=0)] = 0,
    device: DeviceOption = "auto",
    as_json: JsonFlag = False,
) -> None:
    """Generative metrics of a synthetic set against a real one (halved by image into reference and held-out)."""
    from . import verbs

    figures = verbs.metrics(real, synthetic, features=features, size=size, seed=seed, device=device).to_json()
    if as_json:
        show(figures)
        return
    sides, remarks = figures.pop("sides"), figures.pop("reading")
    print_report(figures)
    print_sides(sides)
    for remark in remarks:
        say(f"note: {remark}")


def print_sides(sides: list[dict[str, Any]]) -> None:
    """Print what was read of each side: every file and link is one of three."""
    from .layouts.account import account_line

    for side in sides:
        typer.echo(account_line(side))


@app.command()
@guarded
def utility(
    train: Annotated[list[Path], typer.Option(help="Labelled images to learn from: folder, zip, table or release.")],
    test: Annotated[list[Path], typer.Option(help="Labelled images to test on, likewise.")],
    synthetic: Annotated[
        list[Path] | None,
        typer.Option(help="A synthetic data set beside each --train, in the same order: what is lost by it is told."),
    ] = None,
    labels: Annotated[
        list[str] | None,
        typer.Option(
            help="Where labels stand, if neither a release nor a table says it: folder, a regex with the named group "
            "`label`, a table of the images, or chest8. Once for all, or once for each data set."
        ),
    ] = None,
    subject: Annotated[
        str | None,
        typer.Option(
            help="Who is on a picture: regex with the named group `subject`, or `file`. Absent: what the data set "
            "says; else each picture stands for itself."
        ),
    ] = None,
    layout: Annotated[str, typer.Option(help="How the data sets are laid out, as in init.")] = "auto",
    size: Annotated[int, typer.Option(help="Edge to which images are brought, in pixels: 32 to 1024.")] = 64,
    fit: Annotated[str, typer.Option(help="How an image becomes square: crop or pad.")] = "crop",
    network: Annotated[str, typer.Option(help="Classifier: small, densenet121, resnet50 or a plug-in.")] = "small",
    seeds: Annotated[int, typer.Option(help="Classifiers a data set, each with its own seed.", min=1)] = 3,
    steps: Annotated[
        int | None, typer.Option(help="Steps of each classifier; absent: as the number of images says.", min=1)
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(help="Folder for utility.json, utility.md and utility.png; or one file with such a suffix."),
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed of everything that is drawn.", min=0)] = 0,
    device: DeviceOption = "auto",
    as_json: JsonFlag = False,
) -> None:
    """Train a classifier on each data set and test it on others: synthetic beside real, here and elsewhere.

    Several --train and --test give a matrix. A data set that is both is divided by people.
    """
    from . import verbs

    figures = verbs.utility(
        train,
        test,
        synthetic=synthetic or (),
        labels=labels or (),
        subject=subject,
        layout=layout,
        size=size,
        fit=fit,
        network=network,
        seeds=seeds,
        steps=steps,
        out=out,
        seed=seed,
        device=device,
    )
    if as_json:
        show(figures.to_json())
        return
    from .utility.matrix_files import written_at
    from .utility.matrix_told import print_matrix

    print_matrix(figures, console())
    if out is not None:
        say(f"Written: {', '.join(map(str, written_at(out)))}")


@app.command("match")
@guarded
def match_command(
    gallery: Annotated[
        Path,
        typer.Argument(metavar="GALLERY", help="A study, or a folder or zip of pictures of at least 20 people."),
    ],
    images: Annotated[Path, typer.Argument(metavar="IMAGES", help="The pictures to look at: folder or zip.")],
    subject: Annotated[
        str | None,
        typer.Option(
            help="Who is on a picture of GALLERY: regex with the named group `subject`, or `file`. Absent: PatientID "
            "of DICOM, sub-… of BIDS, else every file is a person. A study knows it."
        ),
    ] = None,
    rate: Annotated[
        float | None, typer.Option(help="Share of strangers that may be refused, 0.05 if absent. A study has its own.")
    ] = None,
    size: Annotated[
        int | None,
        typer.Option(help="Edge at which pictures are compared, at least 32, 64 if absent. A study has its own."),
    ] = None,
    private: Annotated[bool, typer.Option("--private", help="Name the subjects that were recognised.")] = False,
    device: DeviceOption = "auto",
    as_json: JsonFlag = False,
) -> None:
    """Say which pictures show somebody of GALLERY and would be refused. What cannot be read counts as refused.

    Exit code 0: none would; 3: some would; 2: the input is wrong.
    """
    from . import verbs
    from .match_printing import print_match, print_notes

    result = verbs.match(gallery, images, subject=subject, rate=rate, size=size, device=device)
    if as_json:
        print_notes(result, console(stderr=True))
        show(result.to_json(private))
    else:
        print_match(result, console(), private=private)
    if result.refused:
        told = share(len(result.refused), len(result.rows), "pictures", "would be", "would be")
        raise PolicyRefused([], f"{told} refused")


@app.command()
@guarded
def verify(
    release: Annotated[Path, typer.Argument(help="Folder of a release, or the zip of it.")],
    key: KeyOption = None,
    certificate_chain: ChainOption = None,
    notice: NoticeOption = None,
    trust_anchors: AnchorsOption = None,
    as_json: JsonFlag = False,
) -> None:
    """Recompute the hashes of a release, re-check its rules, and hold its figures against its own limits.

    Exit code 0: intact, litter aside; 2: altered, or against the rules; 3: it is not what it claims to be, or
    was withdrawn.
    """
    from .release.verify import check_release, litter_note, refuse_unless_whole, signature_note

    found = check_release(release, trusted(key, certificate_chain, notice, trust_anchors))
    if as_json:
        show({"release": str(release), **found.to_json()})
    else:
        print_sides([{"side": "files", **found.account}])
        if found.litter:
            say(f"note: {litter_note(found.litter)}. It says nothing of the release.")
        for said in found.unchecked:
            say(f"note: {said}")
        typer.echo(f"signature: {signature_note(found.signature)}")
    refuse_unless_whole(found, str(release))
    if not as_json:
        rules = "every rule that could be checked holds" if found.unchecked else "every rule holds"
        typer.echo(f"{release}: every file is as the manifest says, and {rules}.")


@app.command()
@guarded
def phantom(
    path: Annotated[Path, typer.Argument(metavar="DIR", help="Folder to write.")],
    subjects: Annotated[int, typer.Option(help="How many people.", min=1)],
    size: Annotated[int, typer.Option(help="Edge of the images in pixels.", min=32)] = 64,
    seed: Annotated[int, typer.Option(help="Seed of the population draw.", min=0)] = 0,
    modality: Annotated[str, typer.Option(help="cxr (chest X-ray), ct (head) or mri (brain).")] = "cxr",
    fmt: Annotated[
        str | None,
        typer.Option("--format", help="png, dicom or nifti; absent: png for cxr, dicom for ct, nifti for mri."),
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    """Write a phantom cohort: procedural images of invented people, with known findings."""
    from . import verbs
    from .phantom.write import init_command

    count = verbs.phantom(path, subjects=subjects, seed=seed, size=size, modality=modality, fmt=fmt)
    read_it = init_command(path, modality, fmt)
    if as_json:
        show({"path": str(path), "subjects": subjects, "files": count, "size": size, "seed": seed, "read_it": read_it})
        return
    say(f"Phantom cohort written: {path} ({subjects} subjects, {count} image files). To read it:\n{read_it}")


def finish(path: Path, work: Callable[[], Summary], as_json: bool, until: str | None = None) -> None:
    """Run `work`, print its summary, and end by naming the report and the release."""
    try:
        summary = work().to_json()
    except PolicyRefused:
        summary = json.loads((path / "summary.json").read_text(encoding="utf-8"))
        show(summary) if as_json else print_stages(summary, until)
        report = f"Report: {path / 'report.html'}. " if (path / "report.html").is_file() else ""
        typer.echo(f"{report}Nothing was released.", err=True)
        raise
    if as_json:
        show(summary)
        return
    if quiet():
        return
    print_stages(summary, until)
    typer.echo(f"\nFigures: {path / 'summary.json'}")
    if until is None:
        typer.echo(f"Report:  {path / 'report.html'}\nRelease: {path / 'release' / 'manifest.json'}")
    elif until != "report":
        typer.echo(f"The stages after {until} were not asked for. Next: {next_command(path)}")


def print_stages(summary: dict[str, Any], until: str | None) -> None:
    """Print a plain sentence about every stage, up to `until` (all where None)."""
    from .report.sentences import stage_sentences
    from .report.summary import Summary

    for name, sentence in stage_sentences(Summary.from_json(summary, where="summary.json")).items():
        say(f"{name:<12}{sentence}")
        if name == until:
            return


def print_report(values: dict[str, Any], indent: int = 0) -> None:
    """Print nested figures for a person."""
    for key, value in values.items():
        if isinstance(value, dict):
            typer.echo(" " * indent + f"{key}:")
            print_report(value, indent + 2)
        elif isinstance(value, float):
            typer.echo(" " * indent + f"{key}: {value:.4g}")
        else:
            typer.echo(" " * indent + f"{key}: {value}")


# whose functions stand in `commands`
app.command("review")(guarded(review))
app.command("sign-off")(guarded(sign_off))
app.command("doctor")(guarded(doctor))
app.command("export")(guarded(export))
app.command("withdraw")(guarded(withdraw))
app.command("policy")(guarded(policy))
app.command("schema")(guarded(schema))
