"""Both attacks with the model, on a denoiser that knows its people by heart and on one of other people."""

import numpy as np
import pytest
import torch

from unpersonal.audit.attacks.membership_by_model import ATTACK
from unpersonal.audit.background import Background
from unpersonal.audit.config import AuditConfig
from unpersonal.audit.images import SubjectImages
from unpersonal.audit.model import ModelAccess
from unpersonal.audit.shadows import train_shadow
from unpersonal.audit.target import Target, make_target
from unpersonal.metrics.roc import auroc

CPU = torch.device("cpu")
pytestmark = pytest.mark.slow


def people(phantoms: tuple[np.ndarray, np.ndarray, np.ndarray], first: int, last: int) -> SubjectImages:
    images, subjects, _ = phantoms
    rows = np.flatnonzero(np.isin(subjects, np.unique(subjects)[first:last]))
    return SubjectImages(images[rows], subjects[rows])


@pytest.fixture(scope="module")
def game(phantoms: tuple[np.ndarray, np.ndarray, np.ndarray]) -> tuple[Background, Target, dict[str, ModelAccess]]:
    train, control, strangers = (people(phantoms, *given) for given in ((0, 12), (12, 24), (40, 110)))
    config = AuditConfig(permutations=999, shadows=2, shadow_width=16, shadow_images=1200)

    def learnt(given: SubjectImages) -> ModelAccess:
        pixels = torch.from_numpy(given.images).float() / 255.0 - 0.5
        small = torch.nn.functional.interpolate(pixels, (8, 8), mode="area")
        return ModelAccess(train_shadow(small, width=16, images=6_000, seed=0, device=CPU), None, None, None, CPU)

    background = Background(
        released=control.images[:4],
        network=strangers,
        certify=strangers,
        side=len(control.names),
        config=config,
        seed=0,
    )
    models = {"train": learnt(train), "others": learnt(people(phantoms, 110, 122))}
    return background, make_target(train, control, config, 0), models


def with_model(background: Background, model: ModelAccess) -> Background:
    from dataclasses import replace

    return replace(background, model=model)


def scores(attack: object, background: Background, target: Target) -> dict[str, float]:
    fitted = attack.fit(background, background.config)  # type: ignore[attr-defined]
    return {found.name: auroc(found.values, target.train) for found in fitted.run(target)}


def test_a_model_that_knows_people_by_heart_gives_them_away(
    game: tuple[Background, Target, dict[str, ModelAccess]],
) -> None:
    background, target, models = game
    assert scores(ATTACK, with_model(background, models["train"]), target)["loss"] > 0.7
    assert abs(scores(ATTACK, with_model(background, models["others"]), target)["loss"] - 0.5) < 0.25


def test_shadow_models_take_out_how_difficult_an_image_is(
    game: tuple[Background, Target, dict[str, ModelAccess]],
) -> None:
    from unpersonal.audit.attacks.membership_by_shadows import ATTACK as SHADOWS

    background, target, models = game
    by_loss = scores(ATTACK, with_model(background, models["train"]), target)["loss"]
    by_shadows = scores(SHADOWS, with_model(background, models["train"]), target)[""]
    assert by_shadows > 0.75 and by_shadows >= by_loss - 0.05
    assert abs(scores(SHADOWS, with_model(background, models["others"]), target)[""] - 0.5) < 0.3


def test_without_a_model_neither_is_played(game: tuple[Background, Target, dict[str, ModelAccess]]) -> None:
    background, _, _ = game
    with pytest.raises(ValueError, match="no model"):
        ATTACK.fit(background, background.config)
    assert ATTACK.needs.model and ATTACK.needs.cost == "high"
