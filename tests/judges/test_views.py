"""What the re-identifier trains and stops on: subjects, their images, and copies."""

import numpy as np
import torch

from unpersonal.judges.perturbations import PERTURBATIONS
from unpersonal.judges.views import Bank, SubjectBatches, TwoViews, make_copies, one_row_per_subject, shared


class Halver:
    """A codec that loses something: it keeps 16 levels."""

    def encode(self, images):
        return (images * 15).round()

    def decode(self, latents):
        return latents / 15


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def smooth(count=6, channels=1, size=32):
    low = torch.rand(count, channels, 5, 5, generator=generator(3))
    return torch.nn.functional.interpolate(low, size=(size, size), mode="bicubic").clamp(0, 1)


def test_one_copy_per_image_and_perturbation():
    images = (smooth(4) * 255).to(torch.uint8).numpy()
    copies = make_copies(images, PERTURBATIONS, 7, Halver(), torch.device("cpu"))
    assert copies.shape == (6, 4, 1, 32, 32) and copies.dtype == np.uint8
    # a stream per perturbation: leaving one out does not change the others
    fewer = make_copies(images, PERTURBATIONS[2:4], 7, None, torch.device("cpu"))
    np.testing.assert_array_equal(fewer, copies[2:4])


def test_batches_draw_distinct_subjects_and_their_own_images():
    subjects = np.array(["a", "b", "a", "c", "d", "b", "a"], dtype=object)
    always, never = SubjectBatches(subjects, 1.0), SubjectBatches(subjects, 0.0)
    seen = set()
    for seed in range(40):
        first, second = (rows.numpy() for rows in always.draw(3, generator(seed)))
        assert len(set(subjects[first])) == 3 and (subjects[first] == subjects[second]).all()
        multiple = np.isin(subjects[first], ["a", "b"])
        assert (first[multiple] != second[multiple]).all() and (first[~multiple] == second[~multiple]).all()
        seen |= set(first) | set(second)
        same = never.draw(10, generator(seed))
        assert len(same[0]) == 4 and torch.equal(*same)
    assert seen == set(range(7))


def test_a_share_of_a_batch_has_one_label_set():
    subjects = np.array([f"s{i:02d}" for i in range(40)])
    groups = np.arange(40) % 4
    batches = SubjectBatches(subjects, 0.0, groups, 0.5)
    most, drawn = [], np.zeros(40)
    for seed in range(200):
        rows = batches.draw(16, generator(seed))[0].numpy()
        assert len(set(rows)) == 16
        counts = np.bincount(groups[rows], minlength=4)
        assert counts.max() >= 8
        most.append(counts.argmax())
        drawn[rows] += 1
    # every label set has its turn, and every subject
    assert set(most) == {0, 1, 2, 3} and drawn.min() > 40
    # a label set that is too small is taken whole, and others fill the batch
    rare = SubjectBatches(subjects, 0.0, np.where(np.arange(40) < 2, 0, np.arange(40)), 0.5)
    assert all(len(set(rare.draw(16, generator(seed))[0].tolist())) == 16 for seed in range(40))


def test_pairs_that_show_one_person_in_part_are_ignored():
    owners, guests = torch.tensor([4, 5, 6, 7]), torch.tensor([5, 9, 9, -1])
    found = shared(owners, guests)
    pairs = {(i, j) for i, j in found.nonzero().tolist() if i < j}
    # the second view of 4 shows 5, which is in rows 1 and 5; second views 5 and 6 both show 9
    assert pairs == {(1, 4), (4, 5), (5, 6)} and torch.equal(found, found.T)


def test_two_views_are_of_the_drawn_rows_and_tell_who_is_beside_them():
    pictures = (smooth(30) * 255).to(torch.uint8)
    subjects = np.array([f"s{i // 2:02d}" for i in range(30)])
    rows = torch.arange(0, 30, 2)
    bank = Bank(np.full((3, 1, 32, 32), 200, np.uint8), np.array([4, 0, 4]))
    views = TwoViews(pictures, subjects, Halver(), bank, 1.0)
    same = untouched = plain = 0
    for seed in range(20):
        drawn = views.draw(rows, rows + 1, generator(seed))
        assert drawn.first.shape == drawn.second.shape == (15, 1, 32, 32)
        assert drawn.ignored.shape == (30, 30) and not drawn.ignored.diagonal().any()
        untouched += int((drawn.first == pictures[rows] / 255).all(dim=(1, 2, 3)).sum())
        plain += int((drawn.second == pictures[rows + 1] / 255).all(dim=(1, 2, 3)).sum())
        same += int(drawn.ignored.any())
        again = views.draw(rows, rows + 1, generator(seed))
        assert torch.equal(again.first, drawn.first) and torch.equal(again.second, drawn.second)
    assert 0.4 < untouched / 300 < 0.65 and plain < 60 and same > 10
    # rows 0 and 4 have copies, and always get one here: half of the time as it was drawn
    hits = [bool((views.draw(rows, rows, generator(seed)).second[2] == 200 / 255).all()) for seed in range(60)]
    assert 0.25 < np.mean(hits) < 0.8
    without = TwoViews(pictures, subjects, Halver(), bank, 0.0)
    assert not any((without.draw(rows, rows, generator(s)).second[2] == 200 / 255).all() for s in range(30))


def test_one_row_per_subject():
    subjects = np.array(["b", "a", "b", "c", "a"], dtype=object)
    rows = [one_row_per_subject(subjects, np.random.default_rng(seed)) for seed in range(30)]
    assert all(list(subjects[chosen]) == ["a", "b", "c"] for chosen in rows)
    assert {int(chosen[1]) for chosen in rows} == {0, 2}
