"""What the re-identifier trains and stops on: subjects, their images, and copies."""

import numpy as np
import torch

from unpersonal.judges.perturbations import PERTURBATIONS
from unpersonal.judges.views import SubjectBatches, make_copies, one_row_per_subject


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


def test_one_row_per_subject():
    subjects = np.array(["b", "a", "b", "c", "a"], dtype=object)
    rows = [one_row_per_subject(subjects, np.random.default_rng(seed)) for seed in range(30)]
    assert all(list(subjects[chosen]) == ["a", "b", "c"] for chosen in rows)
    assert {int(chosen[1]) for chosen in rows} == {0, 2}
