"""The re-identifier: all pairs against the definition, eval mode, normalisation, training."""

import numpy as np
import pytest
import torch

from unpersonal.core.errors import InputError
from unpersonal.core.pixels import to_float
from unpersonal.judges import training
from unpersonal.judges.classifier import Classifier, train_classifier
from unpersonal.judges.config import JudgesConfig
from unpersonal.judges.perturbations import gallery_views
from unpersonal.judges.reidentifier import Embedded, Reidentifier, best_stranger, embed_images, make_reference
from unpersonal.judges.siamese import build_siamese, contrastive_loss
from unpersonal.judges.training import separation, train_member
from unpersonal.judges.views import make_copies
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
    snorm_top=5,
)


@pytest.fixture(scope="module")
def cohort():
    images, subjects, labels = phantom_cohort(60, 3, 32, findings=("No Finding", "Pleural Effusion", "Cardiomegaly"))
    return images, np.array(subjects, dtype=object), np.array(labels, dtype=object)


def member(seed=0, *, signed=False, settled=True):
    model = build_siamese(CONFIG.model_copy(update={"signed_head": signed}), channels=1, size=32, seed=seed)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        model.weight.copy_(torch.randn(8, generator=generator))
    if settled:
        model.train()
        for _ in range(5):
            model.embed(torch.rand(8, 1, 32, 32, generator=generator))
    return model.eval()


def ensemble(images, subjects, normalisation="global", count=2):
    members = [member(seed) for seed in range(count)]
    references = [make_reference(model, images[:20], subjects[:20], CPU, views=6) for model in members]
    return Reidentifier(members, references, device=CPU, views=6, normalisation=normalisation, top=5)


@pytest.mark.parametrize("signed", [False, True])
def test_pair_matrix_equals_the_pairwise_forward(cohort, signed):
    model = member(signed=signed)
    a, b = to_float(cohort[0][:4], CPU), to_float(cohort[0][4:9], CPU)
    with torch.no_grad():
        matrix = model.pair_logits(model.embed(a), model.embed(b))
        for i in range(4):
            torch.testing.assert_close(matrix[i], model(a[i : i + 1].expand(5, -1, -1, -1), b), atol=1e-4, rtol=1e-4)
    assert signed == bool((model.head_weights < 0).any())


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


def test_score_is_the_best_view_of_every_gallery_image(cohort, monkeypatch):
    images, subjects, _ = cohort
    matcher = ensemble(images, subjects, count=1)
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


def test_adaptive_normalisation_against_its_definition(cohort):
    images, subjects, _ = cohort
    matcher = ensemble(images, subjects, "adaptive")
    scores = matcher.scores(matcher.embed(images[20:23]), matcher.embed_gallery(images[30:34]))
    expected = np.zeros((3, 4))
    for model, reference in zip(matcher.members, matcher.references, strict=True):
        query = embed_images(model, images[20:23], CPU)[:, 0]
        gallery = embed_images(model, images[30:34], CPU, views=6)

        def raw(x, views, model=model):
            with torch.no_grad():
                return float(max(model.pair_logits(x[None], view[None]) for view in views))

        for i in range(3):
            for j in range(4):
                of_query = sorted(raw(query[i], views) for views in reference.features)[-5:]
                of_gallery = sorted(raw(x, gallery[j]) for x in reference.features[:, 0])[-5:]
                s = raw(query[i], gallery[j])
                z = [(s - np.mean(side)) / np.std(side, ddof=1) for side in (of_query, of_gallery)]
                expected[i, j] += np.mean(z) / 2
    np.testing.assert_allclose(scores, expected, atol=2e-3, rtol=1e-3)


@pytest.mark.parametrize("normalisation", ["global", "adaptive"])
def test_a_score_does_not_depend_on_the_rest_of_the_batch(cohort, normalisation):
    images, subjects, _ = cohort
    matcher = ensemble(images, subjects, normalisation)
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


def test_train_mode_is_refused(cohort):
    images, subjects, _ = cohort
    matcher = ensemble(images, subjects)
    matcher.members[1].network[1].norm.train()
    for embed in (matcher.embed, matcher.embed_gallery):
        with pytest.raises(RuntimeError, match="train mode"):
            embed(images[:2])
    network = build_siamese(CONFIG, channels=1, size=32, seed=0).network.train()
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


def test_best_stranger_skips_ones_own_images(cohort):
    images, subjects, _ = cohort
    model = member()
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


def split(cohort):
    subjects = cohort[1]
    names = np.unique(subjects)
    return np.isin(subjects, names[:40]), np.isin(subjects, names[40:50])


def trained(cohort, path, config=CONFIG, seed=5, images=None):
    images = cohort[0] if images is None else images
    train, stop = split(cohort)
    return train_member(
        images[train],
        cohort[1][train],
        config,
        seed=seed,
        device=CPU,
        checkpoint=path,
        held_out=(images[stop], cohort[1][stop]),
        codec=None,
    )


def same(a, b):
    return all(torch.equal(x, y) for x, y in zip(a.state_dict().values(), b.state_dict().values(), strict=True))


@pytest.fixture(scope="module")
def one_run(cohort, tmp_path_factory):
    return trained(cohort, tmp_path_factory.mktemp("judge") / "checkpoint.safetensors")


def test_training_learns_and_ends_in_eval_mode(cohort, tmp_path):
    longer = CONFIG.model_copy(update={"reidentifier_steps": 180})
    model, history = trained(cohort, tmp_path / "checkpoint.safetensors", longer)
    assert not any(module.training for module in model.modules())
    losses = [row["loss"] for row in history["training"]]
    assert losses[-1] < 0.8 * losses[0]
    stop = split(cohort)[1]
    untrained = build_siamese(CONFIG, channels=1, size=32, seed=5).eval()
    images, subjects = cohort[0][stop], cohort[1][stop]
    copies = make_copies(images, ("rotation", "noise"), 0, None, CPU)
    scores = [separation(m, images, subjects, copies, views=6, device=CPU) for m in (untrained, model)]
    assert scores[1] > scores[0] + 0.3


def test_separation_against_direct_computation(cohort, one_run):
    model = one_run[0]
    images, subjects = cohort[0][:15], cohort[1][:15]
    copies = make_copies(images, ("crop", "gamma"), 0, None, CPU)
    gallery = embed_images(model, images, CPU, views=6)
    with torch.no_grad():
        own = [
            [max(float(model.pair_logits(embed_images(model, c[i : i + 1], CPU)[0], gallery[i, v][None]))
                 for v in range(6)) for i in range(15)] for c in copies
        ]  # fmt: skip
    worst, stranger = np.min(own, axis=0), best_stranger(model, gallery, subjects, CPU).numpy()
    expected = (worst.mean() - stranger.mean()) / np.sqrt((worst.var() + stranger.var()) / 2)
    assert separation(model, images, subjects, copies, views=6, device=CPU) == pytest.approx(expected, abs=1e-3)
    assert np.isnan(separation(model, images[:1], subjects[:1], copies[:, :1], views=6, device=CPU))


def test_same_seed_same_weights_other_seed_others(cohort, one_run, tmp_path):
    assert same(one_run[0], trained(cohort, tmp_path / "a.safetensors")[0])
    short = CONFIG.model_copy(update={"reidentifier_steps": 3})
    first, second = (trained(cohort, tmp_path / f"{s}.safetensors", short, seed=s)[0] for s in (1, 2))
    assert not same(first, second)


def test_killed_and_resumed_training_gives_the_same_bytes(cohort, one_run, tmp_path, monkeypatch):
    calls = []

    def dies(*arguments):
        calls.append(1)
        if len(calls) == 45:
            raise KeyboardInterrupt
        return contrastive_loss(*arguments)

    monkeypatch.setattr(training, "contrastive_loss", dies)
    path = tmp_path / "checkpoint.safetensors"
    with pytest.raises(KeyboardInterrupt):
        trained(cohort, path)
    assert path.exists()
    model, history = trained(cohort, path)
    assert len(calls) == 45 + 60 - 25
    assert same(model, one_run[0]) and history == one_run[1]
    # a finished member is not trained again
    again, history = trained(cohort, path)
    assert len(calls) == 45 + 60 - 25 and same(again, model) and history == one_run[1]


@pytest.mark.parametrize("peak", [20, 40, 60])
def test_the_best_weights_are_kept_not_the_last(cohort, tmp_path, monkeypatch, peak):
    states = {}

    def scripted(model, *_, **__):
        step = 20 * (len(states) + 1)
        states[step] = {name: value.clone() for name, value in model.state_dict().items()}
        return -abs(step - peak) / 10

    monkeypatch.setattr(training, "separation", scripted)
    model, history = trained(cohort, tmp_path / "checkpoint.safetensors")
    assert history["best_step"] == peak and [look["step"] for look in history["looks"]] == [20, 40, 60]
    assert all(torch.equal(value, states[peak][name]) for name, value in model.state_dict().items())
    assert peak == 60 or not all(torch.equal(value, states[60][name]) for name, value in model.state_dict().items())


def test_only_train_subjects_shape_the_weights(cohort, tmp_path, monkeypatch):
    """Other pixels in val, aux and test rows: every state of the training run stays bit-identical."""
    train, _ = split(cohort)
    altered = cohort[0].copy()
    altered[~train] = 255 - altered[~train]
    runs = []
    for images in (cohort[0], altered):
        seen, scores = [], []

        def watched(model, *arguments, seen=seen, scores=scores, **names):
            seen.append({name: value.clone() for name, value in model.state_dict().items()})
            scores.append(separation(model, *arguments, **names))
            return scores[-1]

        monkeypatch.setattr(training, "separation", watched)
        trained(cohort, tmp_path / f"{len(runs)}.safetensors", images=images)
        runs.append((seen, scores))
    assert runs[0][1] != runs[1][1]
    for a, b in zip(runs[0][0], runs[1][0], strict=True):
        assert all(torch.equal(a[name], b[name]) for name in a)


def test_without_held_out_subjects_the_last_weights_stay(cohort, tmp_path):
    train, _ = split(cohort)
    images, subjects = cohort[0][train], cohort[1][train]
    config = CONFIG.model_copy(update={"reidentifier_steps": 22})
    _, history = train_member(
        images, subjects, config, seed=0, device=CPU, checkpoint=tmp_path / "c.safetensors",
        held_out=(images[:0], subjects[:0]), codec=None,
    )  # fmt: skip
    assert history["best_step"] == 22


def test_one_subject_is_not_enough(cohort, tmp_path):
    with pytest.raises(InputError, match="two train subjects"):
        train_member(
            cohort[0][:2], np.array(["a", "a"]), CONFIG, seed=0, device=CPU, checkpoint=tmp_path / "c.safetensors",
            held_out=(cohort[0][2:4], cohort[1][2:4]), codec=None,
        )  # fmt: skip


def classifier_data(cohort, multilabel):
    labels = cohort[2]
    targets = (labels[:, None] == np.unique(labels)[None, :]).astype(np.float32)
    if multilabel:
        targets[::2, 0] = 1
    return cohort[0], targets


@pytest.mark.parametrize("multilabel", [False, True])
def test_classifier_picks_its_loss_and_gives_probabilities(cohort, tmp_path, multilabel):
    images, targets = classifier_data(cohort, multilabel)
    train, stop = split(cohort)
    model, history = train_classifier(
        images[train], targets[train], CONFIG, seed=1, device=CPU,
        checkpoint=tmp_path / "c.safetensors", held_out=(images[stop], targets[stop]),
    )  # fmt: skip
    assert model.exclusive != multilabel
    probabilities = model.probabilities(images[stop])
    assert probabilities.dtype == np.float32 and probabilities.shape == targets[stop].shape
    assert (probabilities >= 0).all() and (probabilities <= 1).all()
    assert np.allclose(probabilities.sum(axis=1), 1, atol=1e-5) != multilabel
    np.testing.assert_allclose(model.probabilities(images[stop][3:4])[0], probabilities[3], atol=1e-5)
    assert model.probabilities(images[:0]).shape == (0, 3)
    assert history["training"][-1]["loss"] < history["training"][0]["loss"]


def test_classifier_keeps_the_best_and_resumes_to_the_same_bytes(cohort, tmp_path, monkeypatch):
    images, targets = classifier_data(cohort, False)
    train, stop = split(cohort)
    scores = iter([0.5, 0.9, 0.7, 0.5, 0.9, 0.7])
    monkeypatch.setattr("unpersonal.judges.classifier.macro_auroc", lambda *_: next(scores))

    def run(path):
        return train_classifier(
            images[train], targets[train], CONFIG, seed=1, device=CPU, checkpoint=path,
            held_out=(images[stop], targets[stop]),
        )  # fmt: skip

    whole, history = run(tmp_path / "a.safetensors")
    assert history["best_step"] == 40
    loss, calls = Classifier.loss, []

    def dies(self, *arguments):
        calls.append(1)
        if len(calls) == 30:
            raise KeyboardInterrupt
        return loss(self, *arguments)

    monkeypatch.setattr(Classifier, "loss", dies)
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "b.safetensors")
    scores = iter([0.9, 0.7])
    resumed, again = run(tmp_path / "b.safetensors")
    assert same(whole.network, resumed.network) and history == again
