"""Recipients of several sets of images of one study: trained by the study's recipe, tested on its real people."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from unpersonal.codec.store import load_images
from unpersonal.cohort.table import Cohort, load_cohort
from unpersonal.core.hashing import hash_json, sha256_bytes
from unpersonal.core.seeds import numpy_rng
from unpersonal.core.tensors import load_tensors, save_tensors
from unpersonal.study import Study
from unpersonal.utility.arms import default_trainer, hold_out, train_arm
from unpersonal.utility.config import UtilityConfig
from unpersonal.utility.paired import Comparison, compare

Members = list[np.ndarray]
"""Probabilities float32 [n,C] of each classifier."""


@dataclass(frozen=True)
class Recipients:
    """Trains classifiers of a study and keeps what they say in `folder`, by the content of what they learnt from."""

    cohort: Cohort
    images: np.ndarray
    config: UtilityConfig
    seed: int
    folder: Path
    device: torch.device

    @classmethod
    def of(cls, study: Study, repeats: int, folder: Path, device: torch.device) -> Recipients:
        """With `repeats` classifiers in each arm."""
        config = study.config.utility.model_copy(update={"repeats": repeats})
        return cls(load_cohort(study.path), load_images(study.path), config, study.config.seed, folder, device)

    @property
    def test_rows(self) -> np.ndarray:
        """Rows of the cohort: the real test images."""
        return self.cohort.rows("test")

    def learned(
        self,
        name: str,
        images: np.ndarray,
        targets: np.ndarray,
        *,
        groups: np.ndarray | None = None,
        asked: np.ndarray | None = None,
        taught: np.ndarray | None = None,
    ) -> Members:
        """What classifiers that learn from uint8 `images` [n,C,H,W] with `targets` [n,C] say of the real test images.

        Or of the images `asked`. `groups` [n] are whole in the part on which training stops. `taught` float32 [n,C] are
        class probabilities that are learnt from in the place of the targets, on which training stops all the same.
        """
        test = np.array(self.images[self.test_rows]) if asked is None else asked
        learnt = targets if taught is None else taught
        hashes = [sha256_bytes(np.ascontiguousarray(each).tobytes()) for each in (images, targets, learnt, test)]
        key = hash_json([name, hashes, self.config.model_dump(mode="json"), self.seed])[:16]
        path = self.folder / f"{name}-{key}.safetensors"
        if not path.is_file():
            rng = numpy_rng(self.seed, "benchmarks", "hold out", name)
            kept, held = hold_out(targets, self.config.held_out, rng, groups)
            members = train_arm(
                name,
                (images[kept], learnt[kept]),
                (images[held], targets[held]),
                test,
                self.config,
                seed=self.seed,
                device=self.device,
                checkpoints=self.folder / f"checkpoints-{key}",
                train=default_trainer(),
            )
            save_tensors(path, {str(i): torch.from_numpy(member) for i, member in enumerate(members)})
            shutil.rmtree(self.folder / f"checkpoints-{key}", ignore_errors=True)
        tensors, _ = load_tensors(path)
        return [tensors[str(i)].numpy() for i in range(len(tensors))]

    def real(self, name: str = "real", asked: np.ndarray | None = None) -> Members:
        """Classifiers that learn from the real train images whose labels were given."""
        rows = self.cohort.rows("train")
        rows = rows[self.cohort.labelled[rows]]
        images, targets = np.array(self.images[rows]), self.cohort.targets[rows]
        return self.learned(name, images, targets, groups=self.cohort.subjects[rows], asked=asked)

    def compared(self, first: Sequence[np.ndarray], second: Sequence[np.ndarray]) -> Comparison:
        """AUROC of both on the real test people, and `gap` = first - second; bounds over people and seeds.

        The same resamples of people in every comparison.
        """
        rows = self.test_rows
        return compare(
            first,
            second,
            self.cohort.targets[rows],
            self.cohort.subjects[rows],
            self.cohort.classes,
            replicates=self.config.replicates,
            rng=numpy_rng(self.seed, "benchmarks", "bootstrap"),
        )
