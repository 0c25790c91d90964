"""The `audit` stage: train against control subjects, spaces and weights from the auditor's own subjects.

Train subjects whom nobody labelled are a game of their own: control has none of them, and a stratum by a label that a
classifier predicted would compare people who are not alike.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from functools import reduce
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..codec.store import load_images
from ..cohort.table import Cohort, load_cohort
from ..core.files import write_json
from ..core.hashing import hash_json
from ..core.tensors import save_array
from ..synthesis.known import repeating_rows
from ..synthesis.ledger import load_ledger
from ..synthesis.reviewed import removed_rows
from ..synthesis.selected import Selected, load_selected, write_dropped
from .attempts import LEDGER, Ledger
from .colours import grey_views
from .config import AuditConfig
from .control import Control, alike, choose_control, unsealed, weigh, without_shared
from .evaluate import audit_images
from .exposure import MOST_EXPOSED, WORST
from .figures import AuditFigures, ControlFigures
from .images import SubjectImages
from .model import ModelAccess, load_access
from .procedure import with_procedure
from .profiles import Profile
from .recording import Recording, hash_of_images, record
from .resolution import Reading
from .result import AuditResult, masked, told
from .reviews import with_review
from .swap_study import careful, hash_of_halves, play_swap, with_swap
from .unlabelled import FEWEST_UNLABELLED, together, without_unlabelled
from .weights import FEWEST

if TYPE_CHECKING:
    import torch

    from .family import Family
    from .target import Target

SUBSETS = ("train", "aux-network", "aux-weights")


@dataclass(frozen=True)
class Game:
    """An audit of some train subjects: its result, the row of the cohort of each of its train images, its control,
    and the rows of the selected images that it was `given`.

    `control` are the control subjects in the order of their names, str [S].
    """

    result: AuditResult
    rows: np.ndarray
    control: np.ndarray
    given: np.ndarray

    @property
    def left(self) -> np.ndarray:
        """The rows of the selected images that it did not drop."""
        return np.delete(self.given, list(self.result.private.dropped))

    @property
    def audited(self) -> np.ndarray:
        """The rows that its figures are of: those left, or all where it dropped them all."""
        return self.left if len(self.left) else self.given

    @property
    def copied(self) -> list[dict[str, Any]]:
        """Rows of train and selected images that are one person, and by what they were found."""
        return [
            {**pair, "train": int(self.rows[pair["train"]]), "synthetic": int(self.given[pair["synthetic"]])}
            for pair in self.result.private.copied
        ]


def run_stage(
    study: Path,
    config: AuditConfig,
    *,
    seed: int,
    device: torch.device,
    profile: Profile,
    final: bool = False,
    known: int = 0,
    halves: Sequence[Path] = (),
) -> AuditFigures:
    """Audit what synthesis selected; returns the aggregates that are also written to audit/audit.json.

    Also writes audit/train_distances.npy and control_distances.npy (float32, sorted: relative distance of every subject
    to the nearest released image) and audit/private.json (rows of the cohort and of the selected images, for
    private.html only), and audit/dropped.json: what `gone_with` the selected images that copy people, which nothing may
    use from here on. `profile` has the margins. `device` is that of the study's model, where the attacker has it. The
    attempt is noted in attempts.jsonl, of which somebody remembers `known` attempts; a `final` audit opens what is
    sealed.

    `halves` are studies of one half of the train people each, whose generators decide the verdict where the design is
    `swap`: see `swap_study`. Strata are of given labels only. Train subjects without any are played apart, see
    `unlabelled.together`.
    """
    cohort, selected = load_cohort(study), load_selected(study)
    removed = np.array(removed_rows(study, selected.images), dtype=np.int64)
    control = choose_control(cohort, config.control)
    rows = {subset: without_shared(cohort, cohort.rows(subset)) for subset in SUBSETS}
    rows |= {"train": cohort.rows("train"), "control": control.rows}
    # a subject of whom some images are labelled is compared with those who have these labels
    known_labels = np.isin(cohort.subjects, np.unique(cohort.subjects[cohort.labelled].astype(str)))
    bare = rows["train"][~known_labels[rows["train"]]]
    rows["train"] = rows["train"][known_labels[rows["train"]]]
    folder = study / "audit"
    if missing := _too_small(cohort, rows, selected, removed):
        figures = with_review(_not_played(folder, missing, profile), len(removed))
        write_dropped(study, selected, gone_with(removed, cohort, selected))
    else:
        access = load_access(study, device) if config.model else None
        recording = record(
            Ledger(study / LEDGER),
            config,
            people=hash_json(cohort.table[["subject", "split", "sha256"]].to_numpy().tolist()),
            release=_release_hash(study, selected, halves, removed),
            seed=seed,
            policy=asdict(profile),
            known=known,
            final=final,
        )
        playing = replace(recording, config=careful(recording.config)) if halves else recording
        kept: list[tuple[Family, Target]] = []
        figures, games, copied = _play(
            study, cohort, rows, bare, selected, removed, playing, access, kept, seed=seed, profile=profile
        )
        if halves:
            swap = play_swap(
                study,
                cohort,
                _given_labels(cohort),
                halves,
                rows,
                config=recording.config,
                seed=seed,
                profile=profile,
                device=device,
            )
            figures = with_swap(figures, kept, swap, recording.config, profile)
        left = reduce(np.intersect1d, [game.left for game in games])
        dropped = np.setdiff1d(np.arange(len(selected)), left)
        # what the model does to canaries is seen best in all that it drew
        figures = with_procedure(figures, study, cohort, np.array(selected.images), config, seed)
        by_audit = np.setdiff1d(dropped, removed)
        figures = replace(figures, copied=replace(told(figures.copied), dropped=masked(len(by_audit))))
        figures = with_review(figures, len(removed))
        figures = weigh(figures, _control_figures(cohort, control, games[0]), decides=not halves)
        figures = recording.end(figures)
        _write_private(folder, games, copied)
        write_dropped(study, selected, gone_with(dropped, cohort, selected))
    write_json(folder / "audit.json", figures.to_json())
    return figures


def gone_with(copies: np.ndarray, cohort: Cohort, selected: Selected) -> list[int]:
    """The rows of `selected` that go with `copies` (int64) of people: these, and any that would then repeat a count."""
    repeating = repeating_rows(cohort, selected.targets, copies) if len(copies) else ()
    return [*copies, *repeating]


def _release_hash(study: Path, selected: Selected, halves: Sequence[Path], removed: np.ndarray) -> str:
    """One hash of what synthesis left: the selected images, and every candidate, which nobody outside ever sees.

    With it what the generators of the halves of a swap left, and what a person removed: another release, hence another
    attempt.
    """
    ledger = study / "candidates" / "ledger.parquet"
    candidates = load_ledger(study, ["sha256"])["sha256"].tolist() if ledger.is_file() else []
    soft = [] if selected.soft is None else [list(selected.soft.classes), selected.soft.thousandths.tolist()]
    labels = [list(row) for row in selected.labels]
    own = [hash_of_images(selected.images), labels, sorted(candidates), *soft]
    own += [{"removed": removed.tolist()}] if len(removed) else []
    return hash_json([*own, hash_of_halves(halves)] if halves else own)


def _control_figures(cohort: Cohort, control: Control, game: Game) -> ControlFigures:
    """How control came about, and whether people of val are as near to the release as those of test."""
    split = dict(zip(cohort.subjects.astype(str), cohort.splits.astype(str), strict=True))
    splits = np.array([split[name] for name in game.control])
    distances = game.result.control_distances
    held_out = [distances[splits == name] for name in ("val", "test")]
    return ControlFigures(
        at_random="known" if control.at_random else "no",
        joined=masked(cohort.dealing.joined),
        excluded=masked(control.excluded) if control.excluded else 0,
        untold=cohort.dealing.untold,
        held_out_p=alike(*held_out) if all(map(len, held_out)) else None,
    )


def _play(
    study: Path,
    cohort: Cohort,
    rows: dict[str, np.ndarray],
    bare: np.ndarray,
    selected: Selected,
    removed: np.ndarray,
    recording: Recording,
    access: ModelAccess | None,
    kept: list[tuple[Family, Target]],
    *,
    seed: int,
    profile: Profile,
) -> tuple[AuditFigures, list[Game], list[dict[str, Any]]]:
    """Audit the labelled train subjects and, apart, those whose rows are `bare`; the figures of all of them.

    Nothing may use an image that any game dropped, nor one that was `removed` (int64 rows of `selected`). The third are
    rows of those that copy people, as `Game.copied`.
    """
    images, labels, config = load_images(study), _given_labels(cohort), recording.config

    def images_of(numbers: np.ndarray, labelled: bool = False) -> tuple[SubjectImages, np.ndarray]:
        """The views of these rows, and the row of each."""
        views, source = grey_views(np.array(images[numbers]))
        seen = numbers[source]
        given = [labels[row] for row in seen] if labelled else None
        return SubjectImages(views, cohort.subjects[seen], given), seen

    certify, network = (images_of(rows[part], True)[0] for part in ("aux-weights", "aux-network"))
    reading = Reading(size=int(images.shape[-1]), colour=images.shape[1] == 3)
    held_out = unsealed(images_of(rows["control"], True)[0], config.sealed, opened=recording.seal == "open")

    def play(train: np.ndarray, config: AuditConfig, labelled: bool, left: np.ndarray) -> Game:
        people, seen = images_of(train, labelled)
        control = held_out.at_most(len(people.names), seed)
        released, pictures = grey_views(np.array(selected.images[left]))
        result = audit_images(
            people,
            control if labelled else replace(control, labels=None),
            released,
            certify,
            network,
            config=config,
            seed=seed,
            profile=profile,
            released_labels=[selected.labels[left[picture]] for picture in pictures],
            pictures=pictures,
            reading=reading,
            model=access,
            soft=None if selected.soft is None else selected.soft.only(left[pictures]),
            drops=True,
            left_out=np.isin(left[pictures], removed),
            keep=kept,
        )
        return Game(result, seen, control.names, left)

    every = np.arange(len(selected))
    if not len(bare):
        game = play(rows["train"], config, True, every)
        return game.result.figures, [game], game.copied
    # of two bounds the larger is told: each has half of the error that it may have
    careful = config.model_copy(update={"confidence": (1.0 + config.confidence) / 2})
    count = len(np.unique(cohort.subjects[bare].astype(str)))
    left: np.ndarray = every
    copied: list[dict[str, Any]] = []
    while True:
        first = play(rows["train"], careful, True, left)
        copied += first.copied
        if count < FEWEST_UNLABELLED:
            return without_unlabelled(first.result.figures, count, config, profile), [first], copied
        second = play(bare, careful, False, first.audited)
        copied += second.copied
        if len(second.left) in (0, len(first.audited)):
            return together(first.result.figures, second.result.figures, config, profile), [first, second], copied
        # the figures of the first are of images that the second dropped
        left = second.left


def _given_labels(cohort: Cohort) -> list[list[str]]:
    """Labels of every row; a row that nobody labelled has the most frequent given set of its subject, if any."""
    sets: dict[str, Counter[tuple[str, ...]]] = {}
    labels = cohort.labels
    for subject, row, labelled in zip(cohort.subjects, labels, cohort.labelled, strict=True):
        if labelled:
            sets.setdefault(str(subject), Counter())[tuple(sorted(set(row)))] += 1
    usual = {subject: min(counts, key=lambda s: (-counts[s], s)) for subject, counts in sets.items()}
    return [
        row if labelled else list(usual.get(str(subject), ()))
        for subject, row, labelled in zip(cohort.subjects, labels, cohort.labelled, strict=True)
    ]


def _too_small(cohort: Cohort, rows: dict[str, np.ndarray], selected: Selected, removed: np.ndarray) -> list[str]:
    counts = {subset: len(set(cohort.subjects[numbers])) for subset, numbers in rows.items()}
    reasons = [
        f"the part {subset} has only {count} {'labelled ' if subset == 'train' and cohort.unlabelled else ''}subjects,"
        f" the audit needs {FEWEST} to be run at all"
        for subset, count in counts.items()
        if count < FEWEST
    ]
    if len(selected) and len(removed) == len(selected):
        reasons.append("every selected image was removed in the review, so there is nothing to audit")
    return reasons + ([] if len(selected) else ["synthesis selected no image, so there is nothing to audit"])


def _not_played(folder: Path, reasons: list[str], profile: Profile) -> AuditFigures:
    """An inconclusive outcome without a game: no estimate, and the bound that always holds."""
    write_json(folder / "private.json", {"worst": [], "pairs": []})
    for name in ("train", "control"):
        save_array(folder / f"{name}_distances.npy", np.empty(0, dtype=np.float32))
    return AuditFigures(
        verdict="inconclusive",
        reasons=tuple(reasons),
        notes=(),
        advantage=None,
        advantage_upper=1.0,
        policy_upper=profile.isolated,
        profile=profile.name,
        tests=(),
    )


def _write_private(folder: Path, games: list[Game], copied: list[dict[str, Any]]) -> None:
    """Distances and the worst rows of all games; rows of copied people."""
    distances = np.concatenate([game.result.train_distances for game in games])
    # sorted, so that the position in the file says nothing about who it was
    save_array(folder / "train_distances.npy", np.sort(distances))
    save_array(folder / "control_distances.npy", np.sort(games[0].result.control_distances))
    worst = [{**item, "train": int(game.rows[item["train"]])} for game in games for item in game.result.private.worst]
    pairs = [
        {**item, "train": int(game.rows[int(item["train"])]), "synthetic": int(game.audited[int(item["synthetic"])])}
        for game in games
        for item in game.result.private.pairs
    ]
    exposed = [
        {**item, "train": int(game.rows[int(item["train"])])} for game in games for item in game.result.private.exposed
    ]
    write_json(
        folder / "private.json",
        {
            "exposed": sorted(exposed, key=lambda item: -item["exposure"])[:MOST_EXPOSED],
            "worst": sorted(worst, key=lambda item: -item["predicates"])[:WORST],
            "pairs": sorted(pairs, key=lambda item: item["distance"])[:WORST],
            "copied": copied[:WORST],
        },
    )
