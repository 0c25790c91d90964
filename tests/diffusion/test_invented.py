"""A start from invented people: nobody twice, the same bytes after a kill, told as what it is."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.diffusion.trainings import CONFIG, CPU, data
from tests.studies import cohort_of, write_study
from unpersonal.codec.codecs.pixel import PixelCodec
from unpersonal.core.distributed import World
from unpersonal.core.errors import InputError
from unpersonal.core.tensors import load_tensors
from unpersonal.diffusion.config import DiffusionConfig
from unpersonal.diffusion.invented import Blank, InventedRows, budget, invented_weights, kind_of
from unpersonal.diffusion.stage import run_stage

SHORT = CONFIG.model_copy(
    update={
        "images": 50,
        "guide_images": 50,
        "monitor_samples": 0,
        "evaluations": 1,
        "batch": 2,
        "evaluation_images": 6,
    }
)
BEGUN = SHORT.model_copy(update={"start_from": "phantom", "phantom_images": 20})


def make_study(folder: Path, side: int = 32) -> Path:
    """60 images of noise of `side` pixels, codec `pixel`."""
    images = np.random.default_rng(0).integers(0, 256, (60, 1, side, side), dtype=np.uint8)
    splits = ["train"] * 30 + ["val"] * 28 + ["aux"] + ["test"]
    cohort = cohort_of([f"p{i}" for i in range(60)], [["a"] if i % 2 else ["b"] for i in range(60)], splits)
    return write_study(folder, cohort, images, codec=PixelCodec.fit(images), kind="pixel", conditions=data(60)[1])


def test_a_request_is_of_new_people_and_the_same_when_repeated() -> None:
    codec = PixelCodec.fit(np.zeros((1, 1, 32, 32), np.uint8))
    rows = InventedRows((100, 1, 32, 32), codec, "chest", (1, 32), 5, CPU)
    first, again, other = rows[np.array([3, 9])], rows[np.array([3, 9])], rows[np.array([3, 4])]
    assert first.shape == (2, 1, 32, 32) and np.array_equal(first, again)
    assert not np.array_equal(first[0], other[0]) and not np.array_equal(first[0], first[1])
    assert not np.array_equal(first, replace(rows, seed=6)[np.array([3, 9])])
    assert not np.array_equal(first, replace(rows, kind="head-ct")[np.array([3, 9])])
    assert np.array_equal(Blank((9, 4))[np.array([1, 5])], np.zeros((2, 4)))


@pytest.mark.parametrize(
    ("names", "kind"),
    [
        (["a/sub-1_ses-0_T1w.nii.gz", "a/sub-2_FLAIR.nii.gz", "b.png"], "brain-mri"),
        (["ct/1.dcm", "x/CT_2.dcm", "ct.png"], "head-ct"),
        (["act/1.png", "person1_bacteria_2.jpeg"], "chest"),
    ],
)
def test_the_phantom_is_what_the_names_of_images_say(names: list[str], kind: str) -> None:
    cohort = cohort_of([f"p{i}" for i in range(len(names))], [["a"]] * len(names), ["train"] * len(names))
    cohort = replace(cohort, table=cohort.table.assign(image=names))
    assert kind_of(DiffusionConfig(), cohort) == kind
    assert kind_of(DiffusionConfig(phantom="head-ct"), cohort) == "head-ct"


def test_the_guide_has_its_share_and_a_path_is_no_phantom() -> None:
    assert (budget(BEGUN, "denoiser"), budget(BEGUN, "guide")) == (20, 20)
    assert budget(BEGUN.model_copy(update={"guide_images": 25}), "guide") == 10
    assert BEGUN.invented and not BEGUN.source
    folder = DiffusionConfig(start_from="./phantom")
    assert not folder.invented and folder.source == "./phantom"


@pytest.mark.slow
def test_the_stage_begins_with_invented_people_and_a_killed_one_ends_alike(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, broken, cold = (make_study(tmp_path / name) for name in ("whole", "broken", "cold"))
    figures = run_stage(whole, BEGUN, seed=3, device=CPU)
    assert figures.start and figures.start.known_people and figures.start.invented == "chest"
    assert figures.start.invented_images == 20 and figures.denoiser_images == SHORT.images
    folder = whole / "models" / "diffusion"
    assert not list(folder.glob("checkpoint-*")) and not (folder / "denoiser.start.json").exists()
    read, left = InventedRows.__getitem__, [7]

    def dies(self: InventedRows, rows: object) -> np.ndarray:
        left[0] -= 1
        if left[0] < 0:
            raise KeyboardInterrupt
        return read(self, rows)

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(InventedRows, "__getitem__", dies)
        run_stage(broken, BEGUN, seed=3, device=CPU)
    run_stage(broken, BEGUN, seed=3, device=CPU)
    run_stage(cold, SHORT, seed=3, device=CPU)
    read_weights = [load_tensors(each / "models/diffusion/denoiser.safetensors")[0] for each in (whole, broken, cold)]
    assert all(torch.equal(read_weights[0][name], read_weights[1][name]) for name in read_weights[0])
    assert any(not torch.equal(read_weights[0][name], read_weights[2][name]) for name in read_weights[0])
    histories = [json.loads((each / "models/diffusion/history.json").read_text()) for each in (whole, cold)]
    assert histories[0]["denoiser"][0]["step"] == histories[1]["denoiser"][0]["step"] == 25


def test_images_smaller_than_phantoms_are_refused(tmp_path: Path) -> None:
    study = make_study(tmp_path / "study", side=16)
    with pytest.raises(InputError, match=r"at least 32 pixels a side, the images of this study 16"):
        invented_weights(
            study,
            "denoiser",
            BEGUN.network((1, 16, 16), 6),
            BEGUN,
            cohort_of(["p"], [["a"]], ["train"]),
            images=20,
            seed=1,
            device=CPU,
            processes=World(),
        )
