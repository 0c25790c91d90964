"""Every kind of copies against the gate of a finished study: `python -m benchmarks.matching STUDY`.

Prints, for people of `test` (nothing was chosen by them): recall by kind and strength of each matcher and of all
together, beside the gate of the first releases (a Siamese network alone, its threshold set by six mild kinds of copies
and a tenth of the strangers) and the reference's practice (a Siamese network, one pair, probability 0.5); false flags
by label; and how often the bound of the miss rate is violated by fresh copies (phantoms).
"""

from __future__ import annotations

import argparse
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from scipy.stats import binomtest

from unpersonal.codec.store import load_codec, load_images
from unpersonal.cohort.table import Cohort, load_cohort
from unpersonal.judges.calibration import open_panel, rates_of
from unpersonal.judges.copies import CopyMaker, every_kind, one_row_each, pick_hosts
from unpersonal.judges.panel import Enrolled, enrol_all
from unpersonal.judges.reidentifier import Reidentifier, embed_images, raw_scores
from unpersonal.judges.stage import Subsets, train_reidentifier
from unpersonal.judges.store import Judges, load_judges
from unpersonal.judges.subset import take_subset
from unpersonal.judges.views import make_copies
from unpersonal.matching.kinds import kind
from unpersonal.matching.registry import MATCHERS
from unpersonal.metrics.intervals import clopper_pearson, clopper_pearson_lower, clopper_pearson_upper
from unpersonal.phantom import phantom_cohort

CPU = torch.device("cpu")
PEOPLE = 400
"""Test people whose copies are tried, at most."""
SEED = 20261129
"""Of this benchmark alone: no default was chosen on it."""
MILD = ("crop", "rotation", "gamma", "noise", "jpeg", "codec")
REDRAWS, PROTECTED, FRESH = 500, 150, 60


@dataclass(frozen=True)
class Study:
    """A finished study, its gate's matchers with everybody enrolled but the hosts, and test people."""

    cohort: Cohort
    images: np.ndarray
    judges: Judges
    maker: CopyMaker
    panel: tuple[Enrolled, ...]
    people: np.ndarray

    @classmethod
    def open(cls, path: Path, people: int) -> Study:
        """Of the study at `path`."""
        cohort, images, judges = load_cohort(path), load_images(path), load_judges(path, CPU)
        hosts = pick_hosts(cohort, SEED)
        config = judges.config.model_copy(update={"renoised": people, "overfitted": 48})
        maker = CopyMaker(path, images, hosts, load_codec(path), config, SEED, CPU)
        panel = open_panel(judges.reidentifier, judges.matchers, images, cohort, hosts)
        return cls(cohort, images, judges, maker, panel, one_row_each(cohort, "test", SEED)[:people])

    @property
    def levels(self) -> np.ndarray:
        """Thresholds float32 [M]."""
        return np.array([self.judges.gate.matchers[one.name].threshold for one in self.panel], np.float32)


@dataclass(frozen=True)
class FirstGate:
    """The gate of the first releases: a Siamese network with its own gallery of train people."""

    reidentifier: Reidentifier
    gallery: object
    threshold: float

    @classmethod
    def train(cls, study: Study, path: Path) -> FirstGate:
        """Under the budget of the study's own re-identifier."""
        config = study.judges.config.model_copy(update={"kind": "siamese"})
        subsets = Subsets(
            *(take_subset(study.cohort, study.images, name) for name in ("train", "val-stop", "val-calibration"))
        )
        with tempfile.TemporaryDirectory() as folder:
            found, _ = train_reidentifier(Path(folder), subsets, config, study.maker.codec, SEED, CPU)
        held = one_row_each(study.cohort, "val-calibration", SEED)
        originals = np.array(study.images[held])
        own = found.embed_gallery(originals)
        copies = make_copies(originals, MILD, SEED, study.maker.codec, CPU)
        worst = np.min([found.paired_scores(found.embed(batch), own) for batch in copies], axis=0)
        rank = 1
        while clopper_pearson_upper(rank, len(worst)) <= 0.01:
            rank += 1
        train = study.cohort.rows("train")
        gallery = found.enrol(np.array(study.images[train]), study.cohort.subjects[train].astype(str))
        strangers = np.sort(found.score(originals, gallery).score)[::-1]
        level = min(np.sort(worst)[rank - 1], strangers[int(0.1 * len(strangers)) - 1])
        return cls(found, gallery, float(level))

    def flags(self, copies: np.ndarray, originals: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Whether copies [n] are flagged next to their `originals`, and whether the reference's practice finds them."""
        own = self.reidentifier.embed_gallery(originals)
        scores = self.reidentifier.paired_scores(self.reidentifier.embed(copies), own)
        model = self.reidentifier.members[0]
        one, two = (embed_images(model, batch, CPU) for batch in (copies, originals))
        logits = np.array([float(raw_scores(model, a, b[None], CPU)[0, 0]) for a, b in zip(one, two, strict=True)])
        return scores >= np.float32(self.threshold), logits >= 0


def recall_table(study: Study, first: FirstGate) -> None:
    """One row for each kind and strength."""
    names = [one.name for one in study.panel]
    print(f"\n| kind | people | together (lower 95 %) | {' | '.join(names)} | first gate | Siamese at 0.5 |")
    print("|---|---|---|" + "---|" * (len(names) + 2))
    for one, strength in every_kind():
        if not study.maker.can_make(one):
            continue
        rows = study.people[: study.maker.most(one)]
        copies = study.maker.make(one, strength, rows)
        hits = np.stack([part.score(copies).score for part in study.panel]) >= study.levels[:, None]
        old, reference = first.flags(copies, np.array(study.images[rows]))
        found, count = int(hits.any(axis=0).sum()), len(rows)
        shown = [f"{rate:.3f}" for rate in (*hits.mean(axis=1), old.mean(), reference.mean())]
        bound = clopper_pearson_lower(found, count)
        print(
            f"| {one.named(strength)} | {count} | {found / count:.3f} ({bound:.3f}) | {' | '.join(shown)} |", flush=True
        )


def pairs_of_others(study: Study, first: FirstGate) -> None:
    """How often the two older rules flag a picture next to somebody else of the same labels: recall alone says little.

    A picture whose labels nobody else of the people has is left out.
    """
    pictures, targets = np.array(study.images[study.people]), study.cohort.targets[study.people]
    others = np.arange(len(pictures))
    for labels in np.unique(targets, axis=0):
        rows = np.flatnonzero((targets == labels).all(axis=1))
        others[rows] = np.roll(rows, 1)
    known = np.flatnonzero(others != np.arange(len(pictures)))
    old, reference = first.flags(pictures[known], pictures[others[known]])
    shown = f"first gate {old.mean():.3f}, Siamese at 0.5 {reference.mean():.3f}"
    print(f"\npairs of different people with the same labels, {len(known)}: {shown}")


def false_flags(study: Study) -> None:
    """Of test people, each scored without the own pictures."""
    own = study.cohort.subjects[study.people].astype(str)
    pictures = np.array(study.images[study.people])
    hits = np.stack([part.score(pictures, own).score for part in study.panel]) >= study.levels[:, None]
    flagged = hits.any(axis=0)
    low, high = clopper_pearson(int(flagged.sum()), len(flagged))
    print(f"\nfalse flags of {len(flagged)} unseen people: {flagged.mean():.3f} ({low:.3f} to {high:.3f})")
    for part, rate in zip(study.panel, hits.mean(axis=1), strict=True):
        print(f"  {part.name}: {rate:.3f}")
    rates = rates_of(flagged, study.cohort.targets[study.people], study.cohort.classes)
    print("  by label: " + ", ".join(f"{name} {rate:.3f}" for name, rate in rates.items()))


def redraws(count: int) -> None:
    """How often fresh copies of the same people are missed more often than the stated bound says.

    `PROTECTED` phantoms, one kind (noise) by one matcher at a threshold under which a few percent are missed. Every
    person's own probability of a miss is measured on `FRESH` copies; a redraw makes one copy each, as a calibration
    does, and states the bound.
    """
    images, names, _ = phantom_cohort(PROTECTED + 400, SEED, 32)
    _, first = np.unique(np.array(names, dtype=str), return_index=True)
    images, subjects = images[first], np.array(names, dtype=str)[first]
    part = MATCHERS.get("mixtures")
    matcher = part.fit(images[PROTECTED:], subjects[PROTECTED:], part.config(), seed=0, device=CPU)
    (enrolled,) = enrol_all(matcher, {}, images[:PROTECTED], subjects[:PROTECTED])
    rng, noise = np.random.default_rng(SEED), kind("noise")

    def scores(draws: int) -> np.ndarray:
        return np.stack(
            [enrolled.score(noise.copies(images[:PROTECTED], images[:0], 0.2, rng)).score for _ in range(draws)]
        )

    fresh = scores(FRESH)
    level = np.quantile(fresh, 0.03)
    true = float((fresh < level).mean())
    missed = (scores(count) < level).sum(axis=1)
    violated = sum(clopper_pearson_upper(int(one), PROTECTED) < true for one in missed)
    p = binomtest(violated, count, 0.05, alternative="greater").pvalue
    print(f"\nbound of the miss rate: true rate {true:.4f}")
    print(f"  the bound is below it in {violated} of {count} redraws (one in twenty may be, p {p:.2f})")


def main() -> None:
    """Print all tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("study", type=Path, nargs="?")
    parser.add_argument("--people", type=int, default=PEOPLE)
    parser.add_argument("--redraws", type=int, default=REDRAWS)
    given = parser.parse_args()
    if given.study:
        study = Study.open(given.study, given.people)
        false_flags(study)
        first = FirstGate.train(study, given.study)
        pairs_of_others(study, first)
        recall_table(study, first)
    redraws(given.redraws)


if __name__ == "__main__":
    main()
