"""What more images are worth and cost: `python -m benchmarks.volume STUDY --volumes 1000,1x,2x,3x --out FILE.jsonl`.

One large synthesis serves for all volumes: of every label set a share is taken at random (seeded, the smaller volume
within the larger). Each volume is audited by the study's own audit, as a first attempt, and a recipient learns from
what the audit leaves; AUROC is on real test people, with bounds over people and seeds. `1x` is the number of train
images. The study must have synthesised the largest volume (`[synthesis] images`); nothing is written in it. With
`--soft` every volume is audited again with the class probabilities, and a second recipient learns from these (it stops
early on hard labels). Rows in FILE are not measured again.

`python -m benchmarks.volume --picture docs/img/volume.png --out FILE.jsonl [FILE.jsonl ...]` draws both curves;
`--audited STUDY [STUDY ...]` draws what studies of one generator and several volumes have in their audit/audit.json.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.recipient import Recipients
from benchmarks.rows import Row, Rows, study_key, told
from unpersonal.audit.attempts import LEDGER
from unpersonal.audit.figures import AuditFigures
from unpersonal.audit.profiles import MEMBERSHIP, PROFILES
from unpersonal.audit.stage import run_stage
from unpersonal.cohort.soft_labels import WHOLE, SoftLabels
from unpersonal.cohort.table import load_cohort
from unpersonal.core.device import pick_device
from unpersonal.core.errors import InputError
from unpersonal.core.files import read_json, write_json
from unpersonal.core.seeds import numpy_rng
from unpersonal.core.tensors import save_array, save_tensors
from unpersonal.study import Study
from unpersonal.synthesis.selected import Selected, load_released, load_selected
from unpersonal.synthesis.soft import SOFT

FILES = ("study.toml", "cohort.parquet", "candidates/selected.npy")
HARD, SOFTLY = "hard", "soft"
PARTS = 1024
"""Parts of one in which probabilities are learnt from: binary fractions, whose sums are exact."""
AUDITED = ("study.toml", "cohort.parquet", "store", "models", "features")
"""What the audit reads of a study beside the selected images; linked, never written."""


def volume_of(word: str, sources: int) -> int:
    """The images of a volume: a number, or "2x" = times the number of train images."""
    try:
        found = round(float(word[:-1]) * sources) if word.endswith("x") else int(word)
    except ValueError:
        found = 0
    if found < 1:
        raise InputError(
            f"No volume: {word!r}", where="--volumes", how='give numbers, or "2x" = times the train images'
        )
    return found


def subsample(labels: Sequence[Sequence[str]], count: int, seed: int) -> np.ndarray:
    """Rows int64 [count], ascending: of every label set its share, at random, and what a smaller `count` takes.

    Each row has a place within its own set between 0 and 1; the rows of the lowest places are taken, so that shares
    differ from those of all rows by less than one image a set.
    """
    sets = np.array(["|".join(sorted(row)) for row in labels])
    places = np.empty(len(sets))
    for name in np.unique(sets):
        rows = np.flatnonzero(sets == name)
        order = numpy_rng(seed, "volume", str(name)).permutation(len(rows))
        places[rows[order]] = (np.arange(len(rows)) + 0.5) / len(rows)
    return np.sort(np.argsort(places, kind="stable")[:count])


def of_rows(selected: Selected, rows: np.ndarray) -> Selected:
    """Some of the selected images."""
    labels = [selected.labels[int(row)] for row in rows]
    soft = None if selected.soft is None else selected.soft.only(rows)
    return Selected(selected.images[rows], labels, selected.targets[rows], soft=soft)


def view(study: Path, folder: Path, selected: Selected) -> Path:
    """A folder that the audit takes for the study with these selected images (and class probabilities) alone."""
    folder.mkdir(parents=True, exist_ok=True)
    # an audit that was killed here is no attempt on the study, and each volume is compared as a first one
    (folder / LEDGER).unlink(missing_ok=True)
    for name in AUDITED:
        if (study / name).exists() and not (folder / name).is_symlink():
            (folder / name).symlink_to((study / name).resolve())
    save_array(folder / "candidates" / "selected.npy", selected.images)
    save_array(folder / "candidates" / "selected_targets.npy", selected.targets)
    write_json(folder / "candidates" / "selected_labels.json", selected.labels)
    if (soft := selected.soft) is not None:
        facts = {"classes": json.dumps(soft.classes), "exclusive": json.dumps(soft.exclusive)}
        save_tensors(folder / SOFT, {"thousandths": torch.from_numpy(soft.thousandths)}, facts)
    return folder


def taught(soft: SoftLabels, classes: Sequence[str]) -> np.ndarray:
    """Class probabilities float32 [m,C] of `classes`, in 1,024ths: classifiers ask whether rows sum to 1 exactly."""
    found = np.zeros((len(soft), len(classes)), dtype=np.float32)
    parts = np.rint(soft.thousandths.astype(np.float64) * PARTS / WHOLE)
    if soft.exclusive:
        parts[np.arange(len(parts)), parts.argmax(axis=1)] += PARTS - parts.sum(axis=1)
    found[:, [list(classes).index(name) for name in soft.classes]] = parts / PARTS
    return found


def attacks_of(figures: AuditFigures) -> dict[str, dict[str, float]]:
    """Value and upper bound of every attack, by its name and figure."""
    found: dict[str, dict[str, float]] = {}
    for member in figures.membership or ():
        found[f"{member.name}: AUROC"] = {"value": member.auroc, "upper": member.auroc_upper}
        found[f"{member.name}: TPR at 1 %"] = {"value": member.tpr, "upper": member.tpr_upper}
    for isolation in figures.isolation or ():
        found[f"{isolation.name}: isolated"] = {"value": isolation.isolated, "upper": isolation.isolated_upper}
        for top in isolation.top[-1:]:
            found[f"{isolation.name}: top {top.predicates}"] = {"value": top.success, "upper": top.success_upper}
    for inference in figures.inference or ():
        found[f"{inference.name}: above control"] = {"value": inference.above, "upper": inference.above_upper}
    return found


@dataclass(frozen=True)
class Volumes:
    """A study whose synthesis is large, and the recipients of parts of it."""

    study: Study
    selected: Selected
    recipients: Recipients
    folder: Path
    device: torch.device

    def selection(self, count: int) -> tuple[np.ndarray, Selected]:
        """The rows and the images of a volume."""
        rows = subsample(self.selected.labels, count, self.study.config.seed)
        return rows, of_rows(self.selected, rows)

    def audited(self, count: int, labels: str) -> dict[str, Any]:
        """The audit of a volume, by the study's own settings and profile; of `soft` labels, with the probabilities."""
        rows, selected = self.selection(count)
        if labels == HARD:
            selected = replace(selected, soft=None)
        folder = view(self.study.path, self.folder / f"volume-{count}-{labels}", selected)
        config = self.study.config
        figures = run_stage(folder, config.audit, seed=config.seed, device=self.device, profile=config.policy.margins())
        released = load_released(folder)
        strongest = next((row for row in figures.primary or () if row.name == MEMBERSHIP), None)
        return {
            "images": len(rows),
            "left": np.delete(rows, list(released.dropped)).tolist(),
            "verdict": figures.verdict,
            "reasons": list(figures.reasons),
            "profile": figures.profile,
            "primary": {
                row.name: {"attack": row.attack, "value": row.value, "upper": row.upper, "margin": row.margin}
                for row in figures.primary or ()
            },
            "membership": None if strongest is None else [strongest.value, strongest.lower, strongest.upper],
            "attacks": attacks_of(figures),
        }

    def useful(self, left: Sequence[int], labels: str) -> dict[str, Any]:
        """A recipient of these rows against one of the real images."""
        chosen = of_rows(self.selected, np.array(left, dtype=np.int64))
        soft = taught(chosen.soft, self.recipients.cohort.classes) if labels == SOFTLY and chosen.soft else None
        own = self.recipients.learned(labels, chosen.images, chosen.targets, taught=soft)
        found = self.recipients.compared(self.recipients.real(), own)
        return {
            "auroc": [found.auroc_synthetic, *(found.auroc_synthetic_interval or (None, None))],
            "auroc_real": [found.auroc_real, *(found.auroc_real_interval or (None, None))],
            "gap": [found.gap, found.gap_upper],
            "spread": found.repeat_spread_synthetic,
        }


def measure(study: Study, options: argparse.Namespace) -> None:
    """Measure and print a row for each volume; those in `--out` are taken from there."""
    (out,) = options.out
    selected, train = load_selected(study.path), len(load_cohort(study.path).rows("train"))
    if options.soft and selected.soft is None:
        raise InputError("The study has no class probabilities", where="--soft", how="set [synthesis] soft = true")
    condition = study.config.features.condition
    rows = Rows(out, study=study_key(study.path, *FILES), condition=condition, repeats=options.repeats)
    folder, device = out.with_suffix(".work"), pick_device(options.device)
    recipients = Recipients.of(study, options.repeats, folder / "recipients", device)
    volumes = Volumes(study, selected, recipients, folder, device)
    told_before = study.path / "summary.json"
    drawing = (read_json(told_before) if told_before.is_file() else {}).get("seconds", {}).get("synthesis")
    print(HEAD)
    for word in options.volumes.split(","):
        count = volume_of(word, train)
        if count > len(selected):
            print(f"{word}: {count:,} images were not synthesised, but {len(selected):,}", file=sys.stderr)
            continue
        synthesis = drawing * count / len(selected) if drawing else None
        for labels in (HARD, SOFTLY) if options.soft else (HARD,):
            key = {"images": count, "labels": labels}
            audit = rows.measured(partial(volumes.audited, count, labels), what="audit", **key)
            useful = rows.measured(partial(volumes.useful, audit["left"], labels), what="utility", **key)
            print(line(word, audit, useful, synthesis), flush=True)
            for note in audit["reasons"]:
                print(f"  {word}, {labels}: {note}", file=sys.stderr)
    print(attack_table([row for row in rows.all() if row["key"].get("what") == "audit"]))


HEAD = (
    "| volume, labels | images | AUROC on real people | gap to real (bound) | membership AUROC (bounds) | verdict "
    "| minutes: synthesis, audit, recipients |\n|---|---|---|---|---|---|---|"
)


def line(word: str, audit: Row, useful: Row, synthesis: float | None) -> str:
    """One row of the table."""
    minutes = [
        "not known" if each is None else f"{each / 60:.1f}" for each in (synthesis, audit["seconds"], useful["seconds"])
    ]
    cells = [
        f"{word}, {audit['key']['labels']}",
        f"{len(audit['left']):,} of {audit['images']:,}",
        *(told(each) for each in (useful["auroc"], useful["gap"], audit["membership"])),
        f"{audit['verdict']} under `{audit['profile']}`",
        ", ".join(minutes),
    ]
    return f"| {' | '.join(cells)} |"


def attack_table(audits: Sequence[Row]) -> str:
    """Every attack's value and upper bound at every volume."""
    names = list(dict.fromkeys(name for row in audits for name in row["attacks"]))
    lines = ["", "| attack, value (upper bound) | " + " | ".join(map(_volume, audits)) + " |"]
    lines.append("|---" * (len(audits) + 1) + "|")
    for name in names:
        found = [row["attacks"].get(name) for row in audits]
        cells = ["not run" if each is None else f"{each['value']:.3f} ({each['upper']:.3f})" for each in found]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _volume(row: Row) -> str:
    return f"{row['images']:,}, {row['key']['labels']}"


@dataclass(frozen=True)
class Curve:
    """One study and kind of labels: images, AUROC with interval, strongest upper bound of membership, real AUROC.

    AUROC is NaN where no recipient was measured.
    """

    name: str
    images: np.ndarray
    auroc: np.ndarray
    membership: np.ndarray
    real: float


def curves(rows: Iterable[Row]) -> list[Curve]:
    """What `measure` wrote, by condition and kind of labels."""
    audits, useful = {}, {}
    for row in rows:
        key = row["key"]
        if key.get("what") == "audit" and row["membership"] is not None:
            audits[key["condition"], key["labels"], key["study"], key["images"]] = row
        if key.get("what") == "utility" and row["auroc"][0] is not None:
            useful[key["condition"], key["labels"], key["study"], key["images"]] = row
    found = []
    for condition, labels, study in sorted({key[:3] for key in useful}):
        counts = sorted(n for c, kind, s, n in useful if (c, kind, s) == (condition, labels, study))
        counts = [count for count in counts if (condition, labels, study, count) in audits]
        own = [useful[condition, labels, study, count] for count in counts]
        if own:
            found.append(
                Curve(
                    name=f"{condition} conditions, {labels} labels",
                    images=np.array(counts),
                    auroc=np.array([row["auroc"] for row in own]),
                    membership=np.array([audits[condition, labels, study, n]["membership"] for n in counts]),
                    real=float(own[0]["auroc_real"][0]),
                )
            )
    return found


def audited(studies: Sequence[Path]) -> Curve:
    """What the audits of these studies found of membership, by the number of images they were of."""
    found = {}
    for path in studies:
        where = path / "audit" / "audit.json"
        figures = AuditFigures.from_json(read_json(where), where=str(where))
        row = next((row for row in figures.primary or () if row.name == MEMBERSHIP), None)
        if row is None or figures.released is None:
            raise InputError("This audit measured no membership", where=str(where), how="name an audit that was played")
        found[figures.released] = [row.value, row.lower, row.upper]
    counts = sorted(found)
    nothing = np.full((len(counts), 3), np.nan)
    condition = Study.open(studies[0]).config.features.condition
    values = np.array([found[count] for count in counts])
    return Curve(f"{condition} conditions", np.array(counts), nothing, values, float("nan"))


def picture(found: Sequence[Curve], path: Path) -> None:
    """Both curves over the volume: what a recipient gains, and what the strongest attack on membership may know."""
    from matplotlib.figure import Figure

    useful = [curve for curve in found if np.isfinite(curve.auroc).any()]
    figure = Figure(figsize=(7, 6.5 if useful else 4), layout="constrained")
    every = figure.subplots(2 if useful else 1, 1, sharex=True, squeeze=False)[:, 0]
    bottom = every[-1]
    for number, curve in enumerate(found):
        colour = f"C{number}"
        if curve in useful:
            low, high = curve.auroc[:, 0] - curve.auroc[:, 1], curve.auroc[:, 2] - curve.auroc[:, 0]
            every[0].errorbar(
                curve.images, curve.auroc[:, 0], (low, high), marker="o", capsize=3, color=colour, label=curve.name
            )
        bottom.plot(curve.images, curve.membership[:, 2], marker="v", color=colour, label=f"{curve.name}: upper bound")
        bottom.plot(curve.images, curve.membership[:, 0], "o:", color=colour, label=f"{curve.name}: value")
    if useful:
        every[0].axhline(useful[0].real, color="black", linewidth=1, label="real images")
        every[0].set_ylabel("recipient's AUROC on real people (95 %)")
    for name, style in (("open", "--"), ("agreement", "-.")):
        bottom.axhline(PROFILES[name].auroc, color="black", linewidth=1, linestyle=style, label=f"margin of {name}")
    bottom.axhline(0.5, color="grey", linewidth=1)
    bottom.set_ylabel("strongest attack: membership AUROC")
    bottom.set_xlabel("released images")
    bottom.set_xscale("log")
    ticks = sorted({int(count) for curve in found for count in curve.images})
    bottom.set_xticks(ticks, [f"{tick:,}" for tick in ticks])
    bottom.minorticks_off()
    for axes in every:
        axes.legend(fontsize="small")
        axes.grid(alpha=0.3)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110, metadata={"Software": None})


def parse(arguments: list[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.volume", description=(__doc__ or "").split("\n")[0])
    parser.add_argument(
        "study", type=Path, nargs="?", help="study folder; synthesis of the largest volume must have run"
    )
    parser.add_argument("--volumes", default="1000,1x,2x,3x,5x", help='numbers, or "2x" = times the train images')
    parser.add_argument("--out", type=Path, nargs="+", default=[], help="JSON lines; several only for --picture")
    parser.add_argument("--audited", type=Path, nargs="+", default=[], help="audited studies; only for --picture")
    parser.add_argument("--picture", type=Path, help="draw the curves of --out here, and measure nothing")
    parser.add_argument("--soft", action="store_true", help="soft labels as well; the study must have them")
    parser.add_argument("--repeats", type=int, default=2, help="classifiers of each arm, at least 2")
    parser.add_argument("--device", default="auto")
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> int:
    """Measure and print, or draw; 2 where the study or the options are wrong."""
    options = parse(arguments)
    try:
        if options.picture is not None:
            found = curves(row for path in options.out for row in Rows(path).all())
            found += [audited(options.audited)] if options.audited else []
            if not found:
                raise InputError("No volume is measured", where="--out", how="measure one first")
            picture(found, options.picture)
        elif options.study is None or len(options.out) != 1 or options.audited:
            raise InputError("Measuring takes a study and one file", where="STUDY, --out", how="name one of each")
        else:
            measure(Study.open(options.study), options)
    except InputError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
