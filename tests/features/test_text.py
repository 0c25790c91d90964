"""Texts to vectors: the bag of words against loops, a tiny language model from disk, and what is never kept."""

from __future__ import annotations

import hashlib
import math
import shutil

import numpy as np
import pytest
import torch

from unpersonal.core.errors import InputError
from unpersonal.features import text as room
from unpersonal.features.config import FeaturesConfig
from unpersonal.features.text import (
    compress,
    encode_texts,
    fit_bag,
    keep_shared,
    model_states,
    provenance,
    shared_words,
    words_of,
)

CPU = torch.device("cpu")
TEXTS = [
    "Heart enlarged. No effusion.",
    "No effusion, lungs clear",
    "heart ENLARGED; small effusion",
    "Lungs clear. Cafe\u0301 seen by Dr Zwetschkenbaum",
    "caf\u00e9 seen again, lungs clear, clear",
    "",
    "unheard words only",
]
SUBJECTS = np.array(["a", "b", "c", "d", "d", "e", "f"], dtype=object)


def test_words_are_lower_case_and_composed():
    assert words_of("Cafe\u0301 ÉTAT, don't X-ray") == ["caf\u00e9", "état", "don't", "x", "ray"]


def test_words_of_one_subject_are_dropped_however_often_that_subject_uses_them():
    shared = shared_words(TEXTS, SUBJECTS)
    assert shared == {"heart", "enlarged", "no", "effusion", "lungs", "clear"}
    # `café` and `seen` are in two texts of one subject
    assert keep_shared(TEXTS[3], shared) == "lungs clear."
    assert "zwetschkenbaum" not in " ".join(keep_shared(text, shared) for text in TEXTS)


def brute_force(texts, seed):
    """Dense rows [n,BUCKETS]: tf-idf, signed hashing, unit length, word by word."""
    rows = np.zeros((len(texts), room.BUCKETS))
    for i, text in enumerate(texts):
        for word in set(words_of(text)):
            frequency = sum(word in words_of(other) for other in texts)
            value = int.from_bytes(
                hashlib.blake2b(word.encode(), digest_size=8, key=seed.to_bytes(8, "big")).digest(), "big"
            )
            sign = 1 if value >= 2**63 else -1
            idf = math.log((1 + len(texts)) / (1 + frequency)) + 1
            rows[i, value % room.BUCKETS] += sign * (1 + math.log(words_of(text).count(word))) * idf
        norm = math.sqrt((rows[i] ** 2).sum())
        rows[i] = rows[i] / norm if norm else rows[i]
    return rows


@pytest.mark.parametrize("seed", [0, 2**62 + 1])
def test_the_bag_of_words_agrees_with_brute_force(seed):
    texts = [keep_shared(text, shared_words(TEXTS, SUBJECTS)) for text in TEXTS]
    rows = brute_force(texts, seed)
    _, _, vectors = np.linalg.svd(rows, full_matrices=False)
    for k in (2, 3):
        projected = rows @ vectors[:k].T
        said = np.linalg.norm(rows, axis=1) > 0
        unit = projected[said] / np.linalg.norm(projected[said], axis=1, keepdims=True)
        found = fit_bag(texts, k + 1, seed).encode(texts)
        assert found.shape == (7, k + 1) and found.dtype == np.float32
        # the basis is free up to signs and rotations within it, angles between texts are not
        np.testing.assert_allclose(found[said] @ found[said].T, unit @ unit.T, atol=1e-6)
        # a text of which no word is left says nothing, and nothing else has that direction
        np.testing.assert_array_equal(found[~said], np.eye(k + 1, dtype=np.float32)[[k] * int((~said).sum())])
        assert (found[said, k] == 0).all()


def test_the_hash_is_keyed_and_the_fit_uses_train_only():
    train = np.arange(5)
    one, figures = encode_texts(TEXTS, SUBJECTS, train, encoder="bow", dimensions=4, seed=1, device=CPU)
    again, _ = encode_texts(TEXTS, SUBJECTS, train, encoder="bow", dimensions=4, seed=1, device=CPU)
    changed = [*TEXTS[:6], "heart heart heart new words zebra zebra"]
    other, _ = encode_texts(changed, SUBJECTS, train, encoder="bow", dimensions=4, seed=1, device=CPU)
    assert np.array_equal(one, again) and np.array_equal(one[:6], other[:6]) and not np.array_equal(one[6], other[6])
    assert figures == {"words": 6, "rare_words": 7}
    np.testing.assert_allclose(np.linalg.norm(one, axis=1), 1, atol=1e-6)
    buckets = [room.signed_bucket("effusion", key.to_bytes(8, "big"), 1.0) for key in range(40)]
    assert len(set(buckets)) > 30 and {sign for _, sign in buckets} == {1.0, -1.0}


def test_texts_without_a_shared_word_are_refused_whatever_the_encoder():
    for encoder in ("bow", "hf:nowhere"):
        with pytest.raises(InputError, match="No word is shared"):
            encode_texts(
                ["alpha", "beta"], np.array(["a", "b"]), np.arange(2), encoder=encoder, dimensions=4, seed=0, device=CPU
            )


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """A BERT of two narrow layers with random weights and a vocabulary of whole words."""
    import transformers

    folder = tmp_path_factory.mktemp("bert")
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *sorted({word for text in TEXTS for word in words_of(text)})]
    (folder / "vocab.txt").write_text("\n".join([*words, ".", ",", ";"]), encoding="utf-8")
    transformers.BertTokenizerFast(str(folder / "vocab.txt")).save_pretrained(folder)
    config = transformers.BertConfig(
        vocab_size=len(words) + 3,
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=12,
    )
    torch.manual_seed(0)
    transformers.BertModel(config).save_pretrained(folder, safe_serialization=True)
    return folder


@pytest.mark.slow
def test_states_are_the_mean_over_a_texts_own_tokens(model):
    import transformers

    texts = ["heart enlarged", "lungs clear . no effusion", "heart " * 40]
    found = model_states(texts, str(model), CPU)
    tokenizer = transformers.AutoTokenizer.from_pretrained(model)
    network = transformers.AutoModel.from_pretrained(model).eval()
    for text, state in zip(texts, found):
        tokens = tokenizer(text, return_tensors="pt", truncation=True, max_length=12)
        with torch.no_grad():
            alone = network(**tokens).last_hidden_state[0].mean(0).numpy()
        np.testing.assert_allclose(state, alone, atol=1e-5)
    # the batch and its padding do not matter
    np.testing.assert_allclose(model_states(texts, str(model), CPU, batch=1), found, atol=1e-5)


def test_a_language_model_conditions_like_the_bag(model):
    train = np.arange(5)
    rows, _ = encode_texts(TEXTS, SUBJECTS, train, encoder=f"hf:{model}", dimensions=4, seed=0, device=CPU)
    assert rows.shape == (7, 4) and rows.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(rows, axis=1), 1, atol=1e-6)
    np.testing.assert_array_equal(rows[5:], [[0, 0, 0, 1], [0, 0, 0, 1]])
    # the rare words are gone before the model reads: these two texts are one
    twins = ["lungs clear Zwetschkenbaum", "lungs clear Quittenbaum", *TEXTS[:3]]
    own, _ = encode_texts(
        twins, np.array(list("abcde")), np.arange(5), encoder=f"hf:{model}", dimensions=4, seed=0, device=CPU
    )
    np.testing.assert_array_equal(own[0], own[1])


def test_what_was_loaded_is_recorded_without_where_it_lay(model):
    import transformers
    from safetensors.torch import load_file

    train = np.arange(5)
    _, figures = encode_texts(TEXTS, SUBJECTS, train, encoder=f"hf:{model}", dimensions=4, seed=0, device=CPU)
    digest = hashlib.sha256()
    for name, value in sorted(load_file(model / "model.safetensors").items()):
        digest.update(f"{name} torch.float32 {tuple(value.shape)}\n".encode() + value.numpy().tobytes())
    found = figures.pop("pretrained")
    assert found == {"source": model.name, "sha256": digest.hexdigest(), "known_people": False}
    assert figures == {"words": 6, "rare_words": 7}
    network = transformers.AutoModel.from_pretrained(model)
    assert provenance("owner/name", network)["source"] == "owner/name"
    assert provenance("bert-tiny", network)["source"] == "bert-tiny"
    with torch.no_grad():
        next(network.parameters()).view(-1)[0] += 1
    assert provenance(str(model), network)["sha256"] != found["sha256"]
    # numbers of every type and shape are hashed
    for dtype in (torch.bfloat16, torch.bool, torch.int64):
        network.register_buffer("scalar", torch.ones((), dtype=dtype))
        one = provenance("m", network)["sha256"]
        network.register_buffer("scalar", torch.zeros((), dtype=dtype))
        assert provenance("m", network)["sha256"] != one


def test_compression_is_the_centred_principal_subspace():
    rng = np.random.default_rng(0)
    states, train, empty = rng.normal(size=(30, 6)) + 5, np.arange(20), np.zeros(30, bool)
    empty[3] = True
    found = compress(states, train, empty, 3)
    said = train[~empty[train]]
    centred = states - states[said].mean(0)
    _, _, vectors = np.linalg.svd(centred[said], full_matrices=False)
    wanted = centred @ vectors[:2].T
    wanted /= np.linalg.norm(wanted, axis=1, keepdims=True)
    rest = ~empty
    np.testing.assert_allclose(found[rest] @ found[rest].T, wanted[rest] @ wanted[rest].T, atol=1e-5)
    np.testing.assert_array_equal(found[3], [0, 0, 1])


def test_models_that_cannot_be_read_are_input_errors(model, tmp_path, monkeypatch):
    import shutil

    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(InputError, match="cannot be read"):
        model_states(["x"], str(tmp_path / "none"), CPU)
    # weights that only a pickle holds are not loaded
    pickled = tmp_path / "pickled"
    shutil.copytree(model, pickled)
    (pickled / "model.safetensors").unlink()
    torch.save({}, pickled / "pytorch_model.bin")
    with pytest.raises(InputError, match="safetensors"):
        model_states(["x"], str(pickled), CPU)
    # code that comes with a model is not run
    import json

    foreign = tmp_path / "foreign"
    shutil.copytree(model, foreign)
    facts = json.loads((foreign / "config.json").read_text())
    facts |= {"model_type": "mine", "auto_map": {"AutoConfig": "mine.Config", "AutoModel": "mine.Model"}}
    (foreign / "config.json").write_text(json.dumps(facts))
    (foreign / "mine.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w').close()\n")
    with pytest.raises(InputError, match="cannot be read"):
        model_states(["x"], str(foreign), CPU)
    assert not (tmp_path / "ran").exists()
    monkeypatch.setitem(__import__("sys").modules, "transformers", None)
    with pytest.raises(InputError, match="not installed"):
        model_states(["x"], str(model), CPU)


def test_other_weights_of_a_local_model_are_another_input(model, tmp_path):
    config = FeaturesConfig(condition="feature+text", text_encoder=f"hf:{model}")
    [(name, before)] = config.fingerprints(tmp_path).items()
    assert name == "text weights" and len(before) == 64
    copy = shutil.copytree(model, tmp_path / "copy")
    other = FeaturesConfig(condition="text", text_encoder=f"hf:{copy}")
    assert other.fingerprints(tmp_path) == {name: before}
    (copy / ".DS_Store").write_bytes(b"x")
    assert other.fingerprints(tmp_path) == {name: before}
    weights = copy / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"?")
    assert other.fingerprints(tmp_path) != {name: before}
    shutil.rmtree(copy)
    for nothing in (other, FeaturesConfig(condition="text"), FeaturesConfig(), FeaturesConfig(condition="uncond")):
        assert nothing.fingerprints(tmp_path) == {}
