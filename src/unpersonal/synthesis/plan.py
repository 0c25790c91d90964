"""The plan of draws: which images are planned, of which labels, and whose conditions each is blended of.

Legend: n draws, k subjects in a condition, G label sets. The plan is a function of the cohort, the configuration and
the seed alone, so that every process makes the same one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ..cohort.table import Cohort
from ..core.errors import InputError
from ..core.hashing import sha256_bytes
from ..core.seeds import numpy_rng
from ..features.blend import Mixing, label_groups
from .config import AS_GIVEN, BALANCED, SynthesisConfig
from .deal import Room, deal_partners, deal_sources, largest_counts, within_share
from .histogram import NOISE, allot, avoid, two_sided_geometric
from .known import known_counts
from .label_sets import SEPARATOR, labels_of, nobody_enough, refuse_unknown
from .sources import pick_sources


@dataclass(frozen=True)
class LabelSet:
    """A label set of the plan: its labels joined, draws of it, and counts of the cohort that no release may repeat."""

    name: str
    planned: int
    known: frozenset[int]


@dataclass(frozen=True)
class Plan:
    """Draw d is one planned image: row `sources[d]` of the cohort lends its labels and its part of the condition.

    `sources` int64 [n], `partners` int64 [n,k-1]: train images of other subjects with the same labels, `label_set`
    int64 [n]: number in `label_sets`. `label_sets_left_out` have fewer than `fewest_subjects`; `draws_left_out` would
    have been theirs, or would have shown a subject in more than the largest share of the conditions. `largest_share` is
    that of the plan. Where a condition is shared by at least `shared_by` subjects without blending there are no
    partners (k is 1), and the shares are those of the sources.
    """

    sources: np.ndarray
    partners: np.ndarray
    label_set: np.ndarray
    label_sets: tuple[LabelSet, ...]
    label_sets_left_out: int
    draws_left_out: int
    largest_share: float
    fewest_subjects: int
    shared_by: int = 1

    def __len__(self) -> int:
        return len(self.sources)

    @cached_property
    def fingerprint(self) -> str:
        """Hex hash of the draws, the same in every process."""
        names = "\n".join(each.name for each in self.label_sets)
        arrays = (self.sources, self.partners, self.label_set)
        return sha256_bytes(names.encode() + b"".join(array.astype("<i8").tobytes() for array in arrays))


def nested(folds: np.ndarray | None, shards: np.ndarray | None) -> np.ndarray | None:
    """Codes int64 [n] of rows that are of one fold and of one shard; None where there are neither.

    People of one code are strangers to one teacher and to one denoiser.
    """
    if folds is None or shards is None:
        return shards if folds is None else folds
    _, codes = np.unique(np.stack([folds, shards], axis=1), axis=0, return_inverse=True)
    return codes.reshape(-1).astype(np.int64)


@dataclass(frozen=True)
class _Group:
    """A label set of train: its name, its train rows, its sources in order, whether it may be drawn, known counts."""

    name: str
    rows: list[int]
    sources: list[int]
    drawn: bool
    known: frozenset[int]


def make_plan(
    cohort: Cohort,
    config: SynthesisConfig,
    seed: int,
    folds: np.ndarray | None = None,
    mixing: Mixing | None = None,
) -> Plan:
    """The draws of a study whose `cohort` has labels in every row; no draw at all is an `InputError`.

    `mixing` says of how many subjects a condition is blended, by default of `[synthesis] blend`.

    Sources take turns within their label set. Every draw has partners of its own, chosen at random; nobody is in more
    than `largest_share` of the draws (in one draw anybody may be), as source or partner. With `folds` int64 [n] of the
    cohort's rows all people of a draw are of one fold, so that one teacher has seen none of them.
    """
    mixing = mixing or Mixing(config.blend, config.blend)
    least = max(config.fewest_subjects, mixing.fewest)
    sources = pick_sources(cohort, config.sources, seed)
    groups = _groups(cohort, sources, least)
    counts = _counts(groups, config.planned(len(sources)), config, numpy_rng(seed, "plan", "label sets"))
    drawn = np.array([group.drawn for group in groups])
    kept = avoid(np.where(drawn, counts, 0), [group.known for group in groups])
    _, owners = np.unique(cohort.subjects.astype(str), return_inverse=True)
    room = Room(owners, max(1, int(config.largest_share * int(kept.sum()))))
    dealt = _deal(groups, kept, room, mixing.blended, numpy_rng(seed, "plan", "partners"), folds)
    chosen = _allowed(dealt, groups, owners, config.largest_share)
    if not len(chosen):
        raise _nothing_planned(least, enough=bool(counts[drawn].any()))
    order = numpy_rng(seed, "plan", "order").permutation(chosen)
    rows, label_set = dealt[order, 1:], dealt[order, 0]
    used = np.flatnonzero(drawn)
    planned = np.bincount(label_set, minlength=len(groups))
    return Plan(
        sources=rows[:, 0],
        partners=rows[:, 1:],
        label_set=np.searchsorted(used, label_set),
        label_sets=tuple(LabelSet(groups[g].name, int(planned[g]), groups[g].known) for g in used),
        label_sets_left_out=int((~drawn).sum()),
        draws_left_out=max(int(counts.sum()) - len(order), 0),
        largest_share=float(largest_counts(owners[rows]).max() / len(order)),
        fewest_subjects=least,
        shared_by=mixing.fewest if mixing.blended == 1 else 1,
    )


def _nothing_planned(least: int, *, enough: bool) -> InputError:
    """Why there is no draw; `enough` says that draws were planned of people who are enough."""
    if enough:
        return InputError(
            "So few images are planned that any number of them is one of the cohort's counts, or would show somebody in"
            " more than the largest share of the conditions",
            where="synthesis",
            how="raise [synthesis] sources, images or largest_share",
        )
    return nobody_enough(least)


def _groups(cohort: Cohort, sources: Sequence[int], least: int) -> list[_Group]:
    """The label sets of train images, in a fixed order; drawn are those that `least` train subjects were given."""
    codes = label_groups(cohort.targets)
    labelled, train, subjects = cohort.labelled, cohort.splits == "train", cohort.subjects.astype(str)
    lent = np.zeros(len(cohort), dtype=bool)
    lent[list(sources)] = True
    found = []
    for code in np.unique(codes[train]):
        own = codes == code
        rows = np.flatnonzero(own & train)
        masks = [own & subset & labelled for subset in (train, lent, np.ones(len(cohort), bool))]
        given = len(np.unique(subjects[masks[0]]))
        lending = [row for row in sources if codes[row] == code]
        found.append(
            _Group(
                name=SEPARATOR.join(cohort.labels[int(rows[0])]),
                rows=rows.tolist(),
                sources=lending,
                drawn=given >= least and bool(lending),
                known=known_counts(subjects, masks),
            )
        )
    return found


def _counts(groups: Sequence[_Group], total: int, config: SynthesisConfig, rng: np.random.Generator) -> np.ndarray:
    """Planned draws int64 [G] of every label set, also of those that yield nothing."""
    drawn = np.array([group.drawn for group in groups])
    lent = np.array([len(group.sources) for group in groups], dtype=np.int64)
    if config.labels == AS_GIVEN:
        noised = np.maximum(lent + two_sided_geometric(len(groups), NOISE, rng), 1)
        weights = np.where(drawn, noised, lent).astype(np.float64)
    elif config.labels == BALANCED:
        weights = drawn.astype(np.float64)
    else:
        assert isinstance(config.labels, dict)
        weights = _weights(groups, config.labels)
    return allot(total, weights) if weights.any() else np.zeros(len(groups), dtype=np.int64)


def _weights(groups: Sequence[_Group], table: dict[str, float]) -> np.ndarray:
    """The weights float64 [G] of a table by label set; labels may stand in any order."""
    refuse_unknown(table, [group.name for group in groups])
    known = {labels_of(group.name): index for index, group in enumerate(groups)}
    weights = np.zeros(len(groups))
    for name, weight in table.items():
        weights[known[labels_of(name)]] += weight
    return weights


def _deal(
    groups: Sequence[_Group],
    counts: np.ndarray,
    room: Room,
    blended: int,
    rng: np.random.Generator,
    folds: np.ndarray | None,
) -> np.ndarray:
    """Draws int64 [n,1+k]: number of the group, row of the source, rows of its partners; k is `blended`."""
    sources = [
        # sources leave room for their partners
        deal_sources(group.sources, min(int(count), room.draws(group.rows, blended)), room)
        for group, count in zip(groups, counts, strict=True)
    ]
    dealt = [
        [number, source, *partners]
        for number, group in enumerate(groups)
        for source, partners in zip(
            sources[number], _partners(sources[number], group.rows, blended - 1, room, rng, folds), strict=True
        )
        if partners is not None
    ]
    return np.array(dealt, dtype=np.int64).reshape(len(dealt), 1 + blended)


def _partners(
    sources: Sequence[int],
    mates: Sequence[int],
    partners: int,
    room: Room,
    rng: np.random.Generator,
    folds: np.ndarray | None,
) -> list[list[int] | None]:
    """See `deal_partners`; of the mates of the source's own fold, where there are `folds`."""
    if folds is None:
        return deal_partners(sources, mates, partners, room, rng)
    dealt: list[list[int] | None] = [None] * len(sources)
    for fold in np.unique(folds[list(sources)]):
        places = [place for place, source in enumerate(sources) if folds[source] == fold]
        near = [row for row in mates if folds[row] == fold]
        found = deal_partners([sources[place] for place in places], near, partners, room, rng)
        for place, rows in zip(places, found, strict=True):
            dealt[place] = rows
    return dealt


def _allowed(dealt: np.ndarray, groups: Sequence[_Group], owners: np.ndarray, share: float) -> np.ndarray:
    """The numbers of the draws that stay: within the largest share, and no count as it is known of the cohort."""
    kept = np.arange(len(dealt))
    while len(kept):
        within = kept[within_share(owners[dealt[kept, 1:]], share)]
        counts = np.bincount(dealt[within, 0], minlength=len(groups))
        repeated = [number for number, group in enumerate(groups) if counts[number] and counts[number] in group.known]
        last = [np.flatnonzero(dealt[within, 0] == number)[-1] for number in repeated]
        if len(within) == len(kept) and not last:
            break
        kept = np.delete(within, last) if last else within
    return kept
