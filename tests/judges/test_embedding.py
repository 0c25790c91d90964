"""The metric-learned member: its loss against loops, its scores against closed forms."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from unpersonal.judges.config import JudgesConfig
from unpersonal.judges.embedding import Embedding, build_embedding, supervised_contrastive
from unpersonal.judges.members import build_member
from unpersonal.judges.siamese import Siamese

CONFIG = JudgesConfig(width=4, embedding=8)


def unit(count, dimensions=6, seed=0):
    return F.normalize(torch.randn(count, dimensions, generator=torch.Generator().manual_seed(seed)), dim=1)


def by_loops(features, owners, ignored, temperature):
    """Equation 2 of arXiv 2004.11362, one term after the other."""
    x, terms, hits = features.double().numpy(), [], []
    for i in range(len(x)):
        partners = [j for j in range(len(x)) if j != i and owners[j] == owners[i]]
        counted = [j for j in range(len(x)) if j != i and (j in partners or not ignored[i][j])]
        if not partners:
            continue
        total = sum(np.exp(x[i] @ x[j] / temperature) for j in counted)
        terms.append(-np.mean([np.log(np.exp(x[i] @ x[j] / temperature) / total) for j in partners]))
        hits.append(max(counted, key=lambda j: x[i] @ x[j]) in partners)
    return np.mean(terms), np.mean(hits)


@pytest.mark.parametrize("temperature", [0.07, 0.5])
def test_supervised_contrastive_loss_against_loops(temperature):
    owners = torch.tensor([0, 1, 2, 0, 1, 2, 0, 7])  # three views of one, two of others, one alone
    ignored = torch.zeros(8, 8, dtype=torch.bool)
    ignored[1, 2] = ignored[2, 1] = ignored[0, 3] = True  # the last are partners, and stay so
    loss, accuracy = supervised_contrastive(unit(8), owners, ignored, temperature)
    expected, hits = by_loops(unit(8), owners.tolist(), ignored.tolist(), temperature)
    assert float(loss) == pytest.approx(expected, rel=1e-5)
    assert accuracy == pytest.approx(hits)


def test_two_views_of_each_are_nt_xent():
    model = Embedding(torch.nn.Flatten(), 6, temperature=0.2)
    first, second = unit(5, seed=1), unit(5, seed=2)
    both = torch.cat([first, second])
    logits = (both @ both.T / 0.2).fill_diagonal_(float("-inf"))
    expected = F.cross_entropy(logits, torch.arange(10).roll(5))
    loss, _ = model.loss(first, second, torch.zeros(10, 10, dtype=torch.bool))
    torch.testing.assert_close(loss, expected)


def test_the_loss_is_least_where_views_agree_and_subjects_differ():
    apart = torch.eye(4)
    model = Embedding(torch.nn.Flatten(), 4, temperature=0.1)
    none = torch.zeros(8, 8, dtype=torch.bool)
    best, accuracy = model.loss(apart, apart, none)
    assert accuracy == 1 and float(best) == pytest.approx(np.log1p(6 * np.exp(-10)), abs=1e-6)
    assert float(model.loss(apart, apart.roll(1, 0), none)[0]) > 5


def test_scores_are_cosines_of_unit_vectors():
    model = build_embedding(CONFIG, channels=1, size=32, seed=0).eval()
    images = torch.rand(5, 1, 32, 32, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        features, plain = model.embed(images), model.network(images)
        torch.testing.assert_close(features.norm(dim=1), torch.ones(5))
        expected = F.cosine_similarity(plain[:2, None], plain[None], dim=2)
        torch.testing.assert_close(model.pair_logits(features[:2], features), expected)
        torch.testing.assert_close(model(images[:2], images[2:4]), expected[:, 2:4].diagonal())
    assert not model.head_parameters()


def test_the_kind_is_chosen_by_the_configuration():
    kinds = {"embedding": Embedding, "siamese": Siamese}
    for name, kind in kinds.items():
        model = build_member(CONFIG.model_copy(update={"kind": name}), channels=1, size=32, seed=3)
        assert type(model) is kind and model.dimensions == 8
    assert JudgesConfig().kind == "embedding"
