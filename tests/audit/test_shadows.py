import numpy as np
import torch

from unpersonal.audit.model import denoising_errors
from unpersonal.audit.shadows import train_shadow, train_shadows

CPU = torch.device("cpu")


def test_shadows_are_seeded_and_each_of_another_half() -> None:
    latents = torch.randn(12, 1, 8, 8, generator=torch.Generator().manual_seed(0)) * 0.5
    subjects = np.array([f"p{number // 2}" for number in range(12)])
    made = [train_shadows(latents, subjects, count=2, width=8, images=64, seed=1, device=CPU) for _ in range(2)]
    errors = [[denoising_errors(each, latents, None, CPU) for each in shadows] for shadows in made]
    assert np.array_equal(errors[0][0], errors[1][0])
    assert not np.allclose(errors[0][0], errors[0][1])


def test_a_shadow_learns() -> None:
    generator = torch.Generator().manual_seed(0)
    latents = torch.randn(1, 1, 8, 8, generator=generator).expand(16, 1, 8, 8).contiguous() * 0.5
    few, many = (train_shadow(latents, width=8, images=images, seed=0, device=CPU) for images in (32, 1600))
    assert (
        denoising_errors(many, latents[:1], None, CPU).mean()
        < 0.7 * denoising_errors(few, latents[:1], None, CPU).mean()
    )
