"""The audit's own network: a small plain one that learns on `aux-network` people alone to know a picture again.

It shares nothing with the judges' networks: other architecture, other seed, other people. Legend: n pictures, d
dimensions, g gallery images, q queries.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..core.seeds import derive_seed, torch_generator
from ..matching.base import Scores
from ..matching.fields import contrast, grey, resized
from .learned_views import changed

SIDE = 32
"""Side in pixels of the contrast maps that the network is shown."""
WIDTH, DIMENSIONS = 16, 128
"""Filters of the first layer, and length of an embedding."""
PEOPLE = 64
"""Pictures of a step, of as many people where there are so many."""
TEMPERATURE = 0.1
RATE = 3e-3
"""Largest learning rate (one cycle)."""
DECAY = 1e-2
NEXT = 10
"""Runners-up of other people that the nearest image is measured by."""
QUERIES = 512
"""Pictures embedded at once, and rows of the gallery that bound the memory of a score."""


def build_network() -> nn.ModuleDict:
    """The layers of `embedding`: four convolutions and a linear head, untrained."""
    widths = (WIDTH, 2 * WIDTH, 4 * WIDTH, 4 * WIDTH)
    body: list[nn.Module] = [nn.BatchNorm2d(WIDTH)]
    for before, after, stride in zip(widths, widths[1:], (2, 2, 1), strict=False):
        body += [nn.Conv2d(before, after, 3, stride, padding=1), nn.BatchNorm2d(after), nn.ReLU()]
    first, head = nn.Conv2d(1, WIDTH, 5, padding=2, bias=False), nn.Linear(6 * widths[-1], DIMENSIONS)
    return nn.ModuleDict({"first": first, "body": nn.Sequential(*body), "head": head})


def embedding(network: nn.ModuleDict, maps: Tensor) -> Tensor:
    """Unit vectors [n, d] of contrast maps [n, s, s], the same for a negative; pooled over the whole and over quarters.

    The first convolution has no bias and its outcome no sign, so that no later layer can tell a negative.
    """
    found = network["body"](network["first"](maps[:, None]).abs())
    quarters = F.adaptive_avg_pool2d(found, 2).flatten(1)
    pooled = torch.cat([found.mean(dim=(2, 3)), found.amax(dim=(2, 3)), quarters], dim=1)
    vectors: Tensor = F.normalize(network["head"](pooled), dim=1)
    return vectors


@dataclass(frozen=True)
class LearnedGallery:
    """Embeddings [g, d] and subjects [g] of the images."""

    vectors: Tensor
    subjects: np.ndarray


@dataclass(frozen=True)
class LearnedMatcher:
    """A trained network as a `matching.base.Matcher`."""

    network: nn.ModuleDict

    def enrol(self, images: np.ndarray, subjects: np.ndarray) -> LearnedGallery:
        """See `Matcher.enrol`."""
        if len(images) == 0:
            raise ValueError("the gallery is empty")
        return LearnedGallery(self.embed(images), np.asarray(subjects).astype(str))

    def embed(self, images: np.ndarray) -> Tensor:
        """Unit vectors [n, d] of images uint8 [n, C, S, S]."""
        return self._embed(_small(images))

    def embed_turned(self, images: np.ndarray) -> Tensor:
        """Unit vectors [n, 8, d] of images uint8 [n, C, S, S], mirrored and by right angles."""
        return torch.stack([self._embed(seen) for seen in _turned(_small(images))], dim=1)

    def score(self, queries: np.ndarray, gallery: LearnedGallery, own: np.ndarray | None = None) -> Scores:
        """See `Matcher.score`; a score is 1 - d/D of the nearest image and the next of other subjects.

        d and D are cosine distances, of the nearest and on average of the next ones (the ratio test of Lowe, IJCV 2004,
        section 7.1): who looks like everybody is like nobody. Queries are tried mirrored and by right angles.
        """
        score, nearest = np.empty(len(queries), np.float32), np.empty(len(queries), np.int64)
        for start in range(0, len(queries), QUERIES):
            part = slice(start, start + QUERIES)
            small = _small(queries[part])
            likeness = torch.full((len(small), len(gallery.vectors)), -1.0)
            for seen in _turned(small):
                torch.maximum(likeness, self._embed(seen) @ gallery.vectors.T, out=likeness)
            if own is not None:
                left_out = np.asarray(own[part]).astype(str)[:, None] == gallery.subjects
                likeness[torch.from_numpy(left_out)] = -1.0
            score[part], nearest[part] = _ratio(likeness, gallery.subjects)
        return Scores(score, nearest)

    def _embed(self, pictures: Tensor) -> Tensor:
        found = torch.empty(len(pictures), DIMENSIONS)
        with torch.no_grad():
            for start in range(0, len(pictures), QUERIES):
                part = slice(start, start + QUERIES)
                found[part] = embedding(self.network, contrast(pictures[part]))
        return found


def _ratio(likeness: Tensor, subjects: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Scores [q] and nearest rows [q] of cosines [q, g]; 0 where nobody else is in the gallery."""
    best, nearest = likeness.max(dim=1)
    same = torch.from_numpy(subjects[nearest.numpy()][:, None] == subjects[None])
    runners = likeness.masked_fill(same, -1.0).topk(min(NEXT, likeness.shape[1]), dim=1).values.mean(dim=1)
    score = 1 - (1 - best) / (1 - runners).clamp_min(1e-6)
    return score.numpy(), nearest.numpy()


def train_matcher(images: np.ndarray, subjects: np.ndarray, *, steps: int, seed: int) -> LearnedMatcher:
    """The network after `steps` steps on uint8 images [n, C, S, S] of `subjects` [n]; follows from the arguments.

    NT-Xent (Chen et al., ICML 2020, equation 1) with an unchanged and a changed view of each picture, as it is used:
    the gallery is unchanged. Other pictures of the same subject count neither as partner nor as stranger.
    """
    pictures, generator = _small(images), torch_generator(seed, "audit", "learned", "views")
    _, codes = np.unique(np.asarray(subjects).astype(str), return_inverse=True)
    whose = torch.from_numpy(codes)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derive_seed(seed, "audit", "learned", "weights"))
        network = build_network()
    optimiser = torch.optim.AdamW(network.parameters(), lr=RATE, weight_decay=DECAY)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, RATE, total_steps=steps)
    for _ in range(steps):
        rows = torch.randperm(len(pictures), generator=generator)[:PEOPLE]
        batch = pictures[rows]
        found = embedding(network, contrast(torch.cat([batch, changed(batch, generator)])))
        loss = _contrastive(found[: len(rows)], found[len(rows) :], whose[rows])
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
    return LearnedMatcher(network.eval())


def _contrastive(plain: Tensor, view: Tensor, subjects: Tensor) -> Tensor:
    """Mean cross-entropy of finding the unchanged view [n, d] of each changed one among both views of strangers."""
    logits = view @ torch.cat([plain, view]).T / TEMPERATURE
    same = subjects[:, None] == subjects[None]
    itself = torch.eye(len(plain), dtype=torch.bool)
    logits = logits.masked_fill(torch.cat([same & ~itself, same], dim=1), float("-inf"))
    return F.cross_entropy(logits, torch.arange(len(plain)))


def _turned(pictures: Tensor) -> list[Tensor]:
    """Pictures [n, s, s] mirrored and by right angles."""
    return [torch.rot90(side, turns, (1, 2)) for side in (pictures, pictures.flip(2)) for turns in range(4)]


def _small(images: np.ndarray) -> Tensor:
    return resized(grey(np.ascontiguousarray(images)), SIDE)
