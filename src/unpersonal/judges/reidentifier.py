"""The re-identifier: an ensemble of networks whose normalised score says whether two images show one subject.

Legend: q queries, g gallery images, V views of a gallery image, d dimensions, r reference images (of subjects that
are neither trained on nor calibrated with).

Scores are normalised against the reference set, as in speaker verification, because each query meets thousands of
strangers: one mean and one deviation for everybody, those of the best score that a reference image reaches among the
images of others. An s-norm with statistics per image (Matejka et al., Interspeech 2017) is worse on *copies*: a copy's
distance to its original does not depend on how crowded the original's neighbourhood is.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ..core.errors import InputError
from ..core.pixels import to_float
from ..core.tensors import load_tensors, save_tensors
from ..matching.base import Scores
from .member import Member
from .perturbations import gallery_views

EMBED_BATCH = 512
PAIRS_AT_ONCE = 1 << 22


@dataclass(frozen=True)
class Embedded:
    """Embeddings of n images by every member: float32 [n, V, d] each, V = 1 for queries."""

    features: tuple[Tensor, ...]
    gallery: bool = False
    subjects: np.ndarray | None = field(default=None, repr=False, compare=False)

    def __len__(self) -> int:
        return len(self.features[0])

    def rows(self, rows: np.ndarray) -> Embedded:
        """The images `rows` only."""
        chosen = torch.from_numpy(np.asarray(rows, dtype=np.int64))
        subjects = None if self.subjects is None else self.subjects[rows]
        return Embedded(tuple(features[chosen] for features in self.features), self.gallery, subjects=subjects)

    def only(self, member: int) -> Embedded:
        """One member's embeddings."""
        return Embedded((self.features[member],), self.gallery, subjects=self.subjects)


@dataclass(frozen=True)
class Reference:
    """One member's view of the reference set: gallery embeddings [r, V, d], and the global mean and deviation."""

    features: Tensor
    level: float
    spread: float


def require_eval(model: torch.nn.Module) -> None:
    """`RuntimeError` if any module of `model` is in train mode: its answer would depend on the rest of the batch."""
    if any(module.training for module in model.modules()):
        raise RuntimeError("a judge is in train mode: its scores would depend on the other images of the batch")


@torch.no_grad()
def embed_images(
    model: Member, images: np.ndarray, device: torch.device, *, views: int = 1, batch: int = EMBED_BATCH
) -> Tensor:
    """Embeddings float32 [n, views, d], on the CPU, of uint8 images [n, C, H, W]; the model must be in eval mode."""
    require_eval(model)
    chunks = []
    step = max(batch // views, 1)
    for start in range(0, len(images), step):
        seen = gallery_views(to_float(images[start : start + step], device), views)
        chunks.append(model.embed(seen.flatten(0, 1)).unflatten(0, seen.shape[:2]).cpu())
    return torch.cat(chunks) if chunks else torch.zeros(0, views, model.dimensions)


@torch.no_grad()
def raw_scores(model: Member, query: Tensor, gallery: Tensor, device: torch.device) -> Tensor:
    """Logits [q, g] on the CPU of queries [q, d] with gallery images [g, V, d], each pair by its best view."""
    logits = model.pair_logits(query.to(device), gallery.flatten(0, 1).to(device))
    return logits.unflatten(1, gallery.shape[:2]).amax(dim=2).cpu()


def row_chunks(rows: int, columns: int) -> Iterator[slice]:
    """Slices of `rows` that keep a [chunk, columns] matrix at a few million entries."""
    step = max(PAIRS_AT_ONCE // max(columns, 1), 1)
    for start in range(0, rows, step):
        yield slice(start, min(start + step, rows))


def best_stranger(model: Member, features: Tensor, subjects: np.ndarray, device: torch.device) -> Tensor:
    """For every image [r, V, d] the best logit [r] with an image of another subject; -inf where there is none."""
    _, codes = np.unique(np.asarray(subjects, dtype=str), return_inverse=True)
    own = torch.from_numpy(codes.reshape(-1))
    best = []
    for chunk in row_chunks(len(features), features.shape[0] * features.shape[1]):
        scores = raw_scores(model, features[chunk, 0], features, device)
        best.append(scores.masked_fill(own[chunk, None] == own[None, :], float("-inf")).amax(dim=1))
    return torch.cat(best) if best else torch.zeros(0)


def make_reference(
    model: Member, images: np.ndarray, subjects: np.ndarray, device: torch.device, *, views: int
) -> Reference:
    """Embed the reference images uint8 [r, C, H, W] and measure how high strangers score among themselves."""
    features = embed_images(model, images, device, views=views)
    best = best_stranger(model, features, subjects, device)
    best = best[torch.isfinite(best)].double()
    spread = float(best.std()) if len(best) > 1 else 0.0
    return Reference(features, float(best.mean()) if len(best) else 0.0, spread if spread > 1e-6 else 1.0)


class Reidentifier:
    """A learned matcher (see `matching/base.py`): an ensemble that scores pairs of images.

    The higher a score, the more certainly the two show one subject.
    A score is the mean of the members' normalised scores. Queries are embedded by `embed`, what they are compared
    with by `embed_gallery`; a score depends on its two images and the reference set only.
    """

    def __init__(
        self,
        members: Sequence[Member],
        references: Sequence[Reference],
        *,
        device: torch.device,
        views: int,
    ) -> None:
        if not members or len(members) != len(references):
            raise ValueError("a re-identifier needs at least one member, and a reference for each")
        self.members, self.references = tuple(member.to(device) for member in members), tuple(references)
        self.device, self.views = device, views

    def only(self, member: int) -> Reidentifier:
        """The re-identifier of one member alone."""
        return Reidentifier([self.members[member]], [self.references[member]], device=self.device, views=self.views)

    def enrol(self, images: np.ndarray, subjects: np.ndarray) -> Embedded:
        """As `Matcher.enrol`."""
        if len(images) == 0:
            raise ValueError("the gallery is empty")
        return replace(self.embed_gallery(images), subjects=np.asarray(subjects))

    def score(self, queries: np.ndarray, gallery: Embedded, own: np.ndarray | None = None) -> Scores:
        """As `Matcher.score`: the best normalised score over the gallery."""
        return Scores(*self.best_match(self.embed(queries), gallery, gallery.subjects, own))

    def embed(self, images: np.ndarray) -> Embedded:
        """Queries: uint8 [n, C, H, W]; `RuntimeError` if a member is in train mode."""
        return Embedded(tuple(embed_images(model, images, self.device) for model in self.members))

    def embed_gallery(self, images: np.ndarray) -> Embedded:
        """Images to compare with, uint8 [n, C, H, W], each under its fixed views."""
        features = tuple(embed_images(model, images, self.device, views=self.views) for model in self.members)
        return Embedded(features, gallery=True)

    def scores(self, query: Embedded, gallery: Embedded) -> np.ndarray:
        """Normalised scores float32 [q, g]; `ValueError` if `gallery` did not come from `embed_gallery`."""
        out = np.empty((len(query), len(gallery)), dtype=np.float32)
        for chunk, scores in self._score_chunks(query, gallery):
            out[chunk] = scores.numpy()
        return out

    def paired_scores(self, query: Embedded, gallery: Embedded) -> np.ndarray:
        """Normalised scores float32 [n] of query i with gallery image i."""
        if len(query) != len(gallery):
            raise ValueError("paired scores need as many queries as gallery images")
        out = np.empty(len(query), dtype=np.float32)
        for start in range(0, len(query), 128):
            rows = np.arange(start, min(start + 128, len(query)))
            out[rows] = self.scores(query.rows(rows), gallery.rows(rows)).diagonal()
        return out

    def best_match(
        self,
        query: Embedded,
        gallery: Embedded,
        gallery_subjects: np.ndarray | None = None,
        query_subjects: np.ndarray | None = None,
    ) -> tuple[np.ndarray, np.ndarray]:
        """Best score float32 [q] over the whole gallery, and its gallery row int64 [q].

        Where both lists of subjects are given, a query is not compared with its own subject. An empty gallery is a
        `ValueError`: a gate without anybody to compare with must not call everything clean.
        """
        if len(gallery) == 0:
            raise ValueError("the gallery is empty")
        best, rows = np.empty(len(query), dtype=np.float32), np.empty(len(query), dtype=np.int64)
        for chunk, scores in self._score_chunks(query, gallery):
            if query_subjects is not None:
                if gallery_subjects is None:
                    raise ValueError("nobody said who is in the gallery")
                same = np.asarray(query_subjects)[chunk, None] == np.asarray(gallery_subjects)[None, :]
                scores = scores.masked_fill(torch.from_numpy(same), float("-inf"))
            best[chunk], rows[chunk] = scores.amax(dim=1).numpy(), scores.argmax(dim=1).numpy()
        return best, rows

    def _score_chunks(self, query: Embedded, gallery: Embedded) -> Iterator[tuple[slice, Tensor]]:
        if not gallery.gallery or query.gallery:
            raise ValueError("the query must come from embed(), the gallery from embed_gallery()")
        count = len(self.members)
        for chunk in row_chunks(len(query), len(gallery) * self.views):
            total = torch.zeros(chunk.stop - chunk.start, len(gallery))
            for index in range(count):
                total += self._member_scores(index, query.features[index][chunk, 0], gallery)
            yield chunk, total / count

    def _member_scores(self, index: int, query: Tensor, gallery: Embedded) -> Tensor:
        reference = self.references[index]
        scores = raw_scores(self.members[index], query, gallery.features[index], self.device)
        return (scores - reference.level) / reference.spread

    def save(self, folder: Path, metadata: dict[str, str]) -> None:
        """Write `reidentifier-<i>.safetensors` (with `metadata`) and `reference.safetensors`."""
        tensors: dict[str, Tensor] = {}
        for index, (model, reference) in enumerate(zip(self.members, self.references, strict=True)):
            save_tensors(folder / f"reidentifier-{index}.safetensors", model.state_dict(), metadata)
            tensors[f"features-{index}"] = reference.features
            tensors[f"moments-{index}"] = torch.tensor([reference.level, reference.spread], dtype=torch.float64)
        save_tensors(folder / "reference.safetensors", tensors)


def load_references(folder: Path, members: int) -> list[Reference]:
    """The references written by `Reidentifier.save`; an `InputError` where there are fewer than `members`."""
    path = folder / "reference.safetensors"
    tensors, _ = load_tensors(path)
    try:
        return [
            Reference(tensors[f"features-{index}"], *(float(value) for value in tensors[f"moments-{index}"]))
            for index in range(members)
        ]
    except KeyError:
        raise InputError(
            "The reference set does not fit the re-identifier", where=str(path), how="run the judges stage again"
        ) from None
