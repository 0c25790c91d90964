"""The re-identifier: all pairs against the definition, eval mode, normalisation."""

import numpy as np
import pytest
import torch

from benchmarks.reidentifier import auc_interval, flipped, others_alike
from tests.studies import cohort_of
from unpersonal.core.pixels import to_float
from unpersonal.judges.classifier import Classifier
from unpersonal.judges.config import JudgesConfig
from unpersonal.judges.members import build_member
from unpersonal.judges.perturbations import gallery_views
from unpersonal.judges.reidentifier import Embedded, Reidentifier, best_stranger, embed_images, make_reference
from unpersonal.judges.siamese import contrastive_loss
from unpersonal.phantom import phantom_cohort

CPU = torch.device("cpu")
CONFIG = JudgesConfig(
    width=4,
    embedding=8,
    gallery_views=6,
    reidentifier_steps=60,
    reidentifier_batch=16,
    classifier_steps=60,
    classifier_batch=16,
    check_every=20,
    save_every=25,
)


@pytest.fixture(scope="module")
def cohort():
    images, subjects, labels = phantom_cohort(60, 3, 32, findings=("No Finding", "Pleural Effusion", "Cardiomegaly"))
    return images, np.array(subjects, dtype=object), np.array(labels, dtype=object)


def member(seed=0, *, signed=False, settled=True, kind="siamese"):
    model = build_member(
        CONFIG.model_copy(update={"signed_head": signed, "kind": kind}), channels=1, size=32, seed=seed
    )
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in model.head_parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator))
    if settled:
        model.train()
        for _ in range(5):
            model.embed(torch.rand(8, 1, 32, 32, generator=generator))
    return model.eval()


def ensemble(images, subjects, count=2, kind="siamese"):
    members = [member(seed, kind=kind) for seed in range(count)]
    references = [make_reference(model, images[:20], subjects[:20], CPU, views=6) for model in members]
    return Reidentifier(members, references, device=CPU, views=6)


@pytest.mark.parametrize(("kind", "signed"), [("siamese", False), ("siamese", True), ("embedding", False)])
def test_pair_matrix_equals_the_pairwise_forward(cohort, kind, signed):
    model = member(signed=signed, kind=kind)
    a, b = to_float(cohort[0][:4], CPU), to_float(cohort[0][4:9], CPU)
    with torch.no_grad():
        matrix = model.pair_logits(model.embed(a), model.embed(b))
        for i in range(4):
            torch.testing.assert_close(matrix[i], model(a[i : i + 1].expand(5, -1, -1, -1), b), atol=1e-4, rtol=1e-4)
            own = model.own_logits(model.embed(a[i : i + 1]), model.embed(b)[None])
            torch.testing.assert_close(own[0], matrix[i], atol=1e-4, rtol=1e-4)
    assert kind == "embedding" or signed == bool((model.head_weights < 0).any())


def test_contrastive_loss_against_its_definition():
    model = member()
    first, second = torch.randn(2, 5, 8, generator=torch.Generator().manual_seed(1))
    loss, accuracy = contrastive_loss(model, first, second)
    views = torch.cat([first, second]).double()
    weights, bias = model.head_weights.detach().double(), float(model.bias.detach())
    scores = torch.tensor([[float(-(weights * (x - y).abs()).sum()) for y in views] for x in views])
    contrast, positive, negative, hits = 0.0, [], [], 0
    for i in range(10):
        j = (i + 5) % 10
        others = [k for k in range(10) if k != i]
        contrast += float(torch.logsumexp(scores[i, others], 0) - scores[i, j]) / 10
        positive.append(np.logaddexp(0, -(scores[i, j] + bias)))
        negative += [np.logaddexp(0, scores[i, k] + bias) for k in others if k != j]
        hits += int(max(others, key=lambda k: scores[i, k]) == j)
    assert float(loss.detach()) == pytest.approx(contrast + (np.mean(positive) + np.mean(negative)) / 2, rel=1e-4)
    assert accuracy == pytest.approx(hits / 10)
    # pairs that are ignored are no negatives, and nothing else changes
    ignored = torch.zeros(10, 10, dtype=torch.bool)
    ignored[0, 3] = ignored[3, 0] = True
    less = float(contrastive_loss(model, first, second, ignored)[0].detach())
    kept = [k for k in range(10) for j in range(10) if j not in (k, (k + 5) % 10) and not ignored[k, j]]
    assert len(kept) == len(negative) - 2
    for i, k in ((0, 3), (3, 0)):
        others = [j for j in range(10) if j != i]
        without = [j for j in others if j != k]
        contrast += float(torch.logsumexp(scores[i, without], 0) - torch.logsumexp(scores[i, others], 0)) / 10
    pair = 2 * np.logaddexp(0, float(scores[0, 3]) + bias)
    expected = contrast + (np.mean(positive) + (np.sum(negative) - pair) / (len(negative) - 2)) / 2
    assert less == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("kind", ["siamese", "embedding"])
def test_score_is_the_best_view_of_every_gallery_image(cohort, monkeypatch, kind):
    images, subjects, _ = cohort
    matcher = ensemble(images, subjects, count=1, kind=kind)
    monkeypatch.setattr("unpersonal.judges.reidentifier.PAIRS_AT_ONCE", 40)  # several chunks
    scores = matcher.scores(matcher.embed(images[20:25]), matcher.embed_gallery(images[30:37]))
    model, reference = matcher.members[0], matcher.references[0]
    with torch.no_grad():
        seen = gallery_views(to_float(images[30:37], CPU), 6)
        for i in range(5):
            query = to_float(images[20 + i : 21 + i], CPU)
            for j in range(7):
                best = max(float(model(query, seen[j, v : v + 1])) for v in range(6))
                assert scores[i, j] == pytest.approx((best - reference.level) / reference.spread, abs=1e-3)


@pytest.mark.parametrize("kind", ["siamese", "embedding"])
def test_a_score_does_not_depend_on_the_rest_of_the_batch(cohort, kind):
    images, subjects, _ = cohort
    matcher = ensemble(images, subjects, kind=kind)
    gallery = matcher.embed_gallery(images[40:50])
    together = matcher.scores(matcher.embed(images[20:30]), gallery)
    for i in range(10):
        alone = matcher.scores(matcher.embed(images[20 + i : 21 + i]), gallery)
        np.testing.assert_allclose(alone[0], together[i], atol=1e-3)
        # in train mode, ten copies of one image would normalise each other away
        copies = matcher.scores(matcher.embed(np.repeat(images[20 + i : 21 + i], 10, axis=0)), gallery)
        np.testing.assert_allclose(copies, np.repeat(alone, 10, axis=0), atol=1e-3)
    few = matcher.scores(matcher.embed(images[20:30]), matcher.embed_gallery(images[44:45]))
    np.testing.assert_allclose(few[:, 0], together[:, 4], atol=1e-3)


@pytest.mark.parametrize("kind", ["siamese", "embedding"])
def test_train_mode_is_refused(cohort, kind):
    images, subjects, _ = cohort
    matcher = ensemble(images, subjects, kind=kind)
    matcher.members[1].network[1].norm.train()
    for embed in (matcher.embed, matcher.embed_gallery):
        with pytest.raises(RuntimeError, match="train mode"):
            embed(images[:2])
    network = build_member(CONFIG, channels=1, size=32, seed=0).network.train()
    with pytest.raises(RuntimeError, match="train mode"):
        Classifier(network, exclusive=True, device=CPU).probabilities(images[:2])


def test_best_match_is_the_row_maximum_over_everybody(cohort, monkeypatch):
    images, subjects, _ = cohort
    matcher = ensemble(images, subjects)
    query, gallery = matcher.embed(images[20:40]), matcher.embed_gallery(images[30:60])
    full = matcher.scores(query, gallery)
    monkeypatch.setattr("unpersonal.judges.reidentifier.PAIRS_AT_ONCE", 500)
    best, rows = matcher.best_match(query, gallery, subjects[30:60])
    np.testing.assert_allclose(best, full.max(axis=1), atol=1e-4)
    np.testing.assert_array_equal(rows, full.argmax(axis=1))
    others, rows = matcher.best_match(query, gallery, subjects[30:60], subjects[20:40])
    assert (subjects[30:60][rows] != subjects[20:40]).all() and (others <= best).all()
    np.testing.assert_allclose(
        matcher.paired_scores(query, gallery.rows(np.arange(20))), full[:, :20].diagonal(), atol=1e-4
    )


def test_galleries_and_queries_are_not_mixed_up(cohort):
    images, subjects, _ = cohort
    matcher = ensemble(images, subjects)
    query, gallery = matcher.embed(images[:2]), matcher.embed_gallery(images[:2])
    for wrong in ((query, query), (gallery, gallery), (gallery, query)):
        with pytest.raises(ValueError, match="embed_gallery"):
            matcher.scores(*wrong)
    with pytest.raises(ValueError, match="empty"):
        matcher.best_match(query, gallery.rows(np.array([], dtype=np.int64)))


def test_a_broken_embedding_is_never_clean(cohort):
    images, subjects, _ = cohort
    matcher = ensemble(images, subjects)
    query = matcher.embed(images[:2])
    broken = Embedded(tuple(features.clone() for features in query.features))
    broken.features[0][1] = float("nan")
    best, _ = matcher.best_match(broken, matcher.embed_gallery(images[5:9]))
    assert np.isfinite(best[0]) and np.isnan(best[1])


@pytest.mark.parametrize("kind", ["siamese", "embedding"])
def test_best_stranger_skips_ones_own_images(cohort, kind):
    images, subjects, _ = cohort
    model = member(kind=kind)
    features = embed_images(model, images[:12], CPU, views=6)
    best = best_stranger(model, features, subjects[:12], CPU)
    for i in range(12):
        expected = max(
            float(model.pair_logits(features[i, :1], features[j, v : v + 1]).detach())
            for j in range(12)
            if subjects[j] != subjects[i]
            for v in range(6)
        )
        assert float(best[i]) == pytest.approx(expected, abs=1e-3)


def test_it_is_a_matcher_whose_score_is_the_best_match_over_the_gallery(cohort):
    images, subjects, _ = cohort
    matcher = ensemble(images, subjects)
    gallery = matcher.enrol(images[30:60], subjects[30:60])
    found = matcher.score(images[20:24], gallery)
    best, rows = matcher.best_match(matcher.embed(images[20:24]), matcher.embed_gallery(images[30:60]))
    np.testing.assert_array_equal(found.score, best)
    np.testing.assert_array_equal(found.nearest, rows)
    with pytest.raises(ValueError, match="empty"):
        matcher.enrol(images[:0], subjects[:0])


def test_what_the_benchmark_of_re_identifiers_counts():
    rng = np.random.default_rng(0)
    true, false = rng.normal(1, 1, 300), rng.normal(0, 1, 300)
    low, high = auc_interval(true, false, 0)
    assert low < 0.7602 < high and 0.04 < high - low < 0.1  # two normals one deviation apart
    assert auc_interval(true + 20, false, 0) == (1.0, 1.0)
    a, b, c = np.array([[1, 1, 0, 0], [1, 0, 0, 0], [1, 1, 0, 1]], dtype=bool)
    assert flipped([a, b, c]) == pytest.approx((1 + 1 + 2) / 12)
    cohort = cohort_of(["a", "a", "b", "c", "d"], ["x", "x", "x", "y", "x"])
    rows = np.array([0, 2, 3, 4])
    seen = [others_alike(cohort, rows, seed) for seed in range(20)]
    assert all(found[0] in (2, 4) and found[1] in (0, 4) and found[3] in (0, 2) for found in seen)
    assert {int(found[2]) for found in seen} <= {0, 2, 4}  # nobody shares that label
