"""What the diffusion stage reads of a study: latents and conditions of each subset, and whom the monitor compares."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..codec.store import load_latent_rows
from ..cohort.table import Cohort, load_cohort
from ..core.errors import InputError
from ..core.seeds import numpy_rng
from ..features.blend import known_groups
from ..features.join import nearest
from ..features.store import Component, load_components, load_conditions, noise_scale
from .canaries import Included, Joined
from .config import DiffusionConfig
from .pairs import Compared, ComparedRows, compared_rows
from .rows import Ambient, DrawnRows, Examples, Rows

HELD_OUT = "val-stop"
STRANGERS = "val"
"""Who measures what is alike by chance, and what is hard: both halves of val, for the power grows with their number."""


@dataclass(frozen=True)
class Inputs:
    """Latents [n, c, h, w] and conditions float32 [n, L] (None: the denoiser has none) of the rows of `cohort`."""

    latents: Rows
    conditions: np.ndarray | None
    cohort: Cohort
    components: tuple[Component, ...]
    canaries: Included | None = None
    """Images that are trained on beside the train rows."""

    @classmethod
    def load(cls, study: Path, config: DiffusionConfig) -> Inputs:
        """Read a study whose stage `features` has run; `InputError` where it does not fit, or not `config`."""
        found = cls(load_latent_rows(study), load_conditions(study), load_cohort(study), load_components(study))
        if found.conditions is not None and found.latents.shape[0] != found.conditions.shape[0]:
            raise InputError(
                f"{found.latents.shape[0]} latents but {found.conditions.shape[0]} conditions",
                where=str(study),
                how="run the features stage again",
            )
        if config.ema_search and not len(found.cohort.rows(HELD_OUT)):
            raise InputError(
                "Nobody is held out on whom a width of average could be chosen",
                where="[diffusion] ema_search",
                how="hold people out ([cohort] val), or set ema_search = []",
            )
        return found

    @property
    def noise_scale(self) -> np.ndarray | None:
        """See `rows.noisy_conditions`; None where all or nothing is noisy."""
        return None if [each.noisy for each in self.components] in ([], [True]) else noise_scale(self.components)

    def subset(self, name: str, *, conditioned: bool = True) -> Examples:
        """Latents and conditions of one subset of the cohort; without the latter unless `conditioned`."""
        rows = self.cohort.rows(name)
        told = None if self.conditions is None or not conditioned else self.conditions
        examples = DrawnRows(self.latents, rows), None if told is None else DrawnRows(told, rows)
        if name != "train" or self.canaries is None:
            return examples
        of_canaries = None if told is None else np.array(told[self.canaries.origin])
        return Joined(examples[0], self.canaries.latents), joined(examples[1], of_canaries)

    def ambient(self, share: float, seed: int) -> Ambient:
        """The images of train, by their content, and the share of its people, at random, who are seen clean.

        Every canary is somebody of its own.
        """
        table = self.cohort.table.iloc[self.cohort.rows("train")]
        canaries = [] if self.canaries is None else [f"canary {n}" for n in range(len(self.canaries.origin))]
        subjects = np.array([*table["subject"].astype(str), *canaries])
        people = np.unique(subjects)
        seen = numpy_rng(seed, "seen clean").permutation(people)[: max(round(share * len(people)), 1)]
        return Ambient([*table["sha256"], *canaries], np.isin(subjects, seen))

    def examined(self, count: int, seed: int, *, conditioned: bool = True) -> Compared:
        """Whom the monitor compares, up to `count` people of either side (see `pairs.compared_rows`)."""
        cohort = self.cohort
        rows = compared_rows(
            cohort.subjects,
            known_groups(cohort.targets, cohort.labelled),
            cohort.rows("train"),
            cohort.rows(STRANGERS),
            count,
            numpy_rng(seed, "examined"),
            cohort.labelled,
        )
        told = shown(self.conditions if conditioned else None, rows, cohort.labelled, self.components)
        _, people = np.unique(cohort.subjects[rows.held_out].astype(str), return_inverse=True)
        return Compared(
            (DrawnRows(self.latents, rows.train), told[0]),
            (DrawnRows(self.latents, rows.held_out), told[1]),
            people.reshape(-1).astype(np.int64),
            rows.groups,
        )


def joined(rows: Rows | None, more: np.ndarray | None) -> Rows | None:
    """`rows` and then `more`; `rows` alone, or nothing, where one of them is nothing."""
    return rows if rows is None or more is None else Joined(rows, more)


def shown(
    conditions: np.ndarray | None,
    rows: ComparedRows,
    labelled: np.ndarray,
    components: Sequence[Component],
) -> tuple[np.ndarray | None, np.ndarray | None]:
    """Conditions float32 [n, L] and [m, L] under which the train and the held-out images of `rows` are compared.

    They are their own, but for held-out images that stand against train images which nobody labelled: they are shown
    under the code for that, for two codes would be another difference than having been trained on, and under the
    nearest of what several people without labels share.
    """
    if conditions is None:
        return None, None
    train, held_out = (np.array(conditions[each], dtype=np.float32) for each in (rows.train, rows.held_out))
    nobody = np.flatnonzero(~labelled[rows.train])
    for each in components:
        if each.from_labels and len(nobody):
            held_out[rows.bare, each.columns] = train[nobody[0], each.columns]
        elif each.shared_by > 1 and rows.bare.any():
            held_out[rows.bare, each.columns] = nearest(
                held_out[rows.bare, each.columns], train[nobody][:, each.columns]
            )
    return train, held_out
