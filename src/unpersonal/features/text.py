"""Texts to unit vectors: a closed-form bag of words, or a language model read from disk.

Report text is personal data. Words that only one train subject uses are dropped before anything else sees the text:
a rare word (a name) would point at a person. Nothing of a text is written to disk, only vectors.

Legend: n texts, B `BUCKETS` of the hash, k components. The last column of a text vector stands for "nothing said":
a text of which no word is left is that unit vector, and no other text has anything there.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b, sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..core.errors import InputError
from ..core.hub import quiet_transformers
from .pca import unit_rows

if TYPE_CHECKING:
    import torch
    from scipy.sparse import csr_array

BUCKETS = 1024
"""Columns that words are hashed to, before they are projected to `text_dimensions`."""
LEAST_SUBJECTS = 2
"""Train subjects who share a word that is kept."""
MOST_TOKENS = 512
WORD = re.compile(r"\w+(?:['\u2019]\w+)*")
HUB_NAME = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")


def plain(text: str) -> str:
    """`text` in Unicode's composed form (NFC) and small letters."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", text).lower())


def words_of(text: str) -> list[str]:
    """The words of a text in their order, in small letters and composed form."""
    return WORD.findall(plain(text))


def shared_words(texts: Sequence[str], subjects: Sequence[str] | np.ndarray) -> frozenset[str]:
    """Words in the texts of `LEAST_SUBJECTS` different subjects or more."""
    users: dict[str, set[str]] = defaultdict(set)
    for text, subject in zip(texts, subjects, strict=True):
        for word in set(words_of(text)):
            if len(users[word]) < LEAST_SUBJECTS:
                users[word].add(str(subject))
    return frozenset(word for word, names in users.items() if len(names) >= LEAST_SUBJECTS)


def keep_shared(text: str, shared: frozenset[str]) -> str:
    """The text in small letters without the words that are not `shared`; marks between words stay."""
    return " ".join(WORD.sub(lambda found: found.group() if found.group() in shared else "", plain(text)).split())


@dataclass(frozen=True)
class BagOfWords:
    """`weights`: word to (bucket, signed idf); `basis` float64 [B,k] with orthonormal columns."""

    weights: dict[str, tuple[int, float]]
    basis: np.ndarray

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        """Unit rows float32 [n,k+1]."""
        return with_nothing(hashed(texts, self.weights) @ self.basis)


def fit_bag(texts: Sequence[str], dimensions: int, seed: int) -> BagOfWords:
    """Fit on the train texts (filtered by `keep_shared`): tf-idf, signed feature hashing, leading directions.

    A word's bucket and sign are a hash keyed by `seed`. Rows are (1 + ln count) · idf with idf = ln((1 + n) / (1 + df))
    + 1, summed in their buckets and scaled to unit length; the basis are the leading right singular vectors of the
    train rows, at most `dimensions` - 1. Texts without a word are an `InputError`.
    """
    frequency = Counter(word for text in texts for word in set(words_of(text)))
    if not frequency:
        raise InputError(
            f"No word is shared by {LEAST_SUBJECTS} train subjects, so texts say nothing that may be used",
            where="[features] condition",
            how="leave text out of the condition, or name the right --text-column",
        )
    key = seed.to_bytes(8, "big")
    weights = {
        word: signed_bucket(word, key, math.log((1 + len(texts)) / (1 + count)) + 1)
        for word, count in sorted(frequency.items())
    }
    rows = hashed(texts, weights)
    return BagOfWords(weights, leading((rows.T @ rows).toarray(), dimensions - 1))


def signed_bucket(word: str, key: bytes, weight: float) -> tuple[int, float]:
    """Bucket of a word, and `weight` with the word's sign, by a keyed hash (BLAKE2b)."""
    value = int.from_bytes(blake2b(word.encode(), digest_size=8, key=key).digest(), "big")
    return value % BUCKETS, weight if value >> 63 else -weight


def hashed(texts: Sequence[str], weights: dict[str, tuple[int, float]]) -> csr_array:
    """Sparse float64 [n,B]: signed tf-idf sums of each text's words, scaled to unit length (zero where none is)."""
    from scipy.sparse import csr_array

    rows, columns, values = [], [], []
    for row, text in enumerate(texts):
        sums: dict[int, float] = {}
        for word, count in Counter(words_of(text)).items():
            if word in weights:
                bucket, weight = weights[word]
                sums[bucket] = sums.get(bucket, 0.0) + (1 + math.log(count)) * weight
        norm = math.sqrt(sum(value**2 for value in sums.values()))
        for bucket, value in sums.items():
            rows.append(row)
            columns.append(bucket)
            values.append(value / max(norm, 1e-12))
    return csr_array((values, (rows, columns)), shape=(len(texts), BUCKETS), dtype=np.float64)


def leading(gram: np.ndarray, components: int) -> np.ndarray:
    """Leading eigenvectors float64 [D,k] of a Gram matrix [D,D], k ≤ `components`, without those of value zero."""
    from scipy.linalg import eigh

    most = min(components, len(gram))
    values, vectors = eigh(gram, subset_by_index=(len(gram) - most, len(gram) - 1))
    kept = vectors[:, values > 1e-9 * max(float(values[-1]), 1e-300)][:, ::-1]
    # an eigenvector's sign is arbitrary: its largest entry is made positive, so that every machine agrees
    return np.asarray(kept * np.sign(kept[np.abs(kept).argmax(0), np.arange(kept.shape[1])]))


def with_nothing(rows: np.ndarray, empty: np.ndarray | None = None) -> np.ndarray:
    """Unit rows float32 [n,k+1] of rows [n,k]; a row of length zero, or one that is `empty` [n], says nothing."""
    rows = np.asarray(rows, dtype=np.float64)
    nothing = np.linalg.norm(rows, axis=1) < 1e-9
    nothing = nothing if empty is None else nothing | empty
    return unit_rows(np.concatenate([np.where(nothing[:, None], 0.0, rows), nothing[:, None]], axis=1))


def encode_texts(
    texts: Sequence[str],
    subjects: np.ndarray,
    train: np.ndarray,
    *,
    encoder: str,
    dimensions: int,
    seed: int,
    device: torch.device,
) -> tuple[np.ndarray, dict[str, Any]]:
    """Unit rows float32 [n, ≤ dimensions] of all texts, fitted on the rows `train`; and figures.

    `encoder` is `bow` or `hf:MODEL`. The figures are the numbers of `words` (kept) and `rare_words` (of train,
    dropped), and of a model `pretrained`, see `provenance`.
    """
    own = [texts[row] for row in train]
    shared = shared_words(own, subjects[train])
    every = len({word for text in own for word in words_of(text)})
    kept = [keep_shared(text, shared) for text in texts]
    own = [kept[row] for row in train]
    bag = fit_bag(own, dimensions, seed)  # refuses where no word is shared, whatever the encoder
    figures = {"words": len(shared), "rare_words": every - len(shared)}
    if encoder == "bow":
        return bag.encode(kept), figures
    distinct = sorted(set(kept))
    place = {text: row for row, text in enumerate(distinct)}
    model = encoder.removeprefix("hf:")
    opened = _open_model(model)
    pretrained = provenance(model, opened[1])
    states = _states(distinct, opened, model, device)[[place[text] for text in kept]]
    rows = compress(states, train, np.array([not text for text in kept]), dimensions)
    return rows, {**figures, "pretrained": pretrained}


def compress(states: np.ndarray, train: np.ndarray, empty: np.ndarray, dimensions: int) -> np.ndarray:
    """Unit rows float32 [n, ≤ dimensions] of states [n,H]: less their mean, in the leading directions, over train."""
    said = train[~empty[train]]
    centred = states.astype(np.float64) - states[said].astype(np.float64).mean(axis=0)
    basis = leading(centred[said].T @ centred[said], dimensions - 1)
    return with_nothing(centred @ basis, empty)


def model_states(texts: Sequence[str], model: str, device: torch.device, batch: int = 32) -> np.ndarray:
    """Mean-pooled last hidden states float32 [n,H] of a language model, from a folder or the hub.

    Weights are read from safetensors only, and no code that comes with a model is run. Longer texts are cut at 512
    tokens. Whatever is wrong with the model is an `InputError`.
    """
    return _states(texts, _open_model(model), model, device, batch)


def _states(
    texts: Sequence[str], opened: tuple[Any, Any], model: str, device: torch.device, batch: int = 32
) -> np.ndarray:
    """As `model_states`, of a model that is open."""
    import torch

    tokenizer, network = opened
    network = network.to(device).eval()
    longest = min(
        int(tokenizer.model_max_length), MOST_TOKENS, getattr(network.config, "max_position_embeddings", MOST_TOKENS)
    )
    states = []
    with torch.no_grad():
        for start in range(0, len(texts), batch):
            tokens = tokenizer(
                list(texts[start : start + batch]),
                padding=True,
                truncation=True,
                max_length=longest,
                return_tensors="pt",
            ).to(device)
            hidden = network(**tokens).last_hidden_state.float()
            mask = tokens["attention_mask"].unsqueeze(-1).float()
            states.append(((hidden * mask).sum(1) / mask.sum(1).clamp(min=1)).cpu().numpy())
    found = np.concatenate(states)
    if not np.isfinite(found).all():
        raise InputError("The text encoder gives values that are not finite", where=f"hf:{model}", how="use another")
    return found


def provenance(model: str, network: torch.nn.Module) -> dict[str, Any]:
    """What is known of a pretrained model: `source`, `sha256` of its weights, and that its people are not.

    `source` is the hub name as it was given, or the last name of a folder: where it lies may name people. The hash
    is over name, type, shape and bytes of every tensor, in the order of their names.
    """
    import torch

    digest = sha256()
    for name, value in sorted(network.state_dict().items()):
        plain = value.detach().cpu().contiguous()
        digest.update(f"{name} {plain.dtype} {tuple(plain.shape)}\n".encode())
        digest.update(plain.reshape(-1).view(torch.uint8).numpy().tobytes())
    local = Path(model).is_dir() or not HUB_NAME.fullmatch(model)
    source = Path(model).name if local else model
    return {"source": source, "sha256": digest.hexdigest(), "known_people": False}


def _open_model(model: str) -> tuple[Any, Any]:
    where = "[features] text_encoder"
    try:
        from transformers import AutoModel, AutoTokenizer
    except ImportError:
        raise InputError(
            "Text encoders of the kind hf: need transformers, which is not installed",
            where=where,
            how="pip install 'unpersonal[hf]', or set text_encoder to bow",
        ) from None
    try:
        with quiet_transformers():
            tokenizer = AutoTokenizer.from_pretrained(model, trust_remote_code=False)
            network = AutoModel.from_pretrained(model, trust_remote_code=False, use_safetensors=True)
    except Exception as error:  # transformers and the hub raise whatever their parts raise
        first = str(error).strip().splitlines()[0] if str(error).strip() else ""
        raise InputError(
            f"The text encoder cannot be read ({type(error).__name__}: {first[:200]})",
            where=f"{where} = hf:{model}",
            how="name a folder, or a model of the hub, with a tokenizer and weights as safetensors",
        ) from None
    return tokenizer, network
