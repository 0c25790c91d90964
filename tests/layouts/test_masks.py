"""Masks beside their images, as public data sets lay them out; other files keep their word."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from unpersonal.images.label_maps import has_few_levels, holds_labels, may_be_mask
from unpersonal.images.reasons import Reason
from unpersonal.layouts.masks import find_masks, named_like_masks, pattern_of

from ..images.nifti_files import saved
from .cases import listing_of

SETS = {
    "decathlon": (["imagesTr/s_1.nii.gz", "imagesTs/s_2.nii.gz"], ["labelsTr/s_1.nii.gz"]),
    "nnU-Net": (
        ["imagesTr/c_001_0000.nii.gz", "imagesTr/c_001_0001.nii.gz", "imagesTs/c_009_0000.nii.gz"],
        ["labelsTr/c_001.nii.gz", "labelsTs/c_009.nii.gz"],
    ),
    "BraTS": (["H/B_1/B_1_t1ce.nii.gz", "H/B_1/B_1_flair.nii.gz"], ["H/B_1/B_1_seg.nii.gz"]),
    "BraTS 2023": (["B-0-000/B-0-000-t1c.nii.gz"], ["B-0-000/B-0-000-seg.nii.gz"]),
    "Montgomery": (["CXR_png/M_1_0.png"], ["ManualMask/leftMask/M_1_0.png", "ManualMask/rightMask/M_1_0.png"]),
    "Shenzhen": (["CXR_png/CHNCXR_1_0.png"], ["mask/CHNCXR_1_0_mask.png"]),
    "JSRT": (["images/JPCLN001.png"], ["masks/fold1/heart/JPCLN001.png", "masks/fold1/left lung/JPCLN001.png"]),
    "COVID": (
        ["A/COVID/images/C-1.png", "A/Normal/images/N-1.png"],
        ["A/COVID/masks/C-1.png", "A/Normal/masks/N-1.png"],
    ),
    "BUSI": (["benign/benign (1).png"], ["benign/benign (1)_mask.png", "benign/benign (1)_mask_1.png"]),
    "ISIC": (["Training_Input/ISIC_0.jpg"], ["Training_GroundTruth/ISIC_0_segmentation.png"]),
    "LiTS": (["volume-0.nii"], ["segmentation-0.nii"]),
    "KiTS": (["case_0/imaging.nii.gz"], ["case_0/segmentation.nii.gz"]),
    "ACDC": (["p1/p1_frame01.nii.gz"], ["p1/p1_frame01_gt.nii.gz"]),
    "BIDS": (
        ["sub-1/anat/sub-1_T1w.nii.gz"],
        ["derivatives/seg/sub-1/anat/sub-1_T1w_seg.nii.gz", "sub-1/anat/sub-1_label-lesion_mask.nii.gz"],
    ),
    "Kvasir": (["Kvasir-SEG/images/a.jpg"], ["Kvasir-SEG/masks/a.jpg"]),
    "CVC": (["Original/1.tif"], ["Ground Truth/1.tif"]),
    "faces": (["with_mask/1.png", "without_mask/1.png"], []),
    "classes": (["label_a/1.png", "label_b/1.png"], []),
    "four kinds": (["a/p1.png"], ["a/p1_annot.png", "a/p1_label.png", "a/p1_mask.png"]),
    "plain": (["a/x_1.png", "b/x_2.png"], []),
}


@pytest.mark.parametrize("name", SETS)
def test_masks_of_public_sets_are_told_by_name_place_and_content(name):
    images, masks = SETS[name]
    assert find_masks(sorted([*images, *masks]), lambda _: True) == sorted(masks)
    # a name alone is not enough
    assert find_masks(sorted([*images, *masks]), lambda _: False) == []
    assert set(named_like_masks([*images, *masks])) == set(masks)


def test_masks_of_which_the_images_are_not_there_are_only_named():
    names = ["a/images/1.png", "a/masks/2.png"]
    assert find_masks(names, lambda _: True) == []
    assert named_like_masks(names) == ("a/masks/2.png",)
    assert pattern_of(["a/masks/2.png", "b/masks/3.png"]) == "masks/"
    assert pattern_of(["a/x_1_seg.nii.gz", "a/x_2_seg.nii.gz"]) == "_seg"


def noisy(side: int = 40) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 255, (side, side)).astype(np.uint8)


def disc(side: int = 40) -> np.ndarray:
    place = (np.arange(side) - side / 2) ** 2
    return ((np.add.outer(place, place) < side**2 / 9) * 255).astype(np.uint8)


def test_few_values_are_told_from_pictures(tmp_path):
    files = {"mask.png": disc(), "picture.png": noisy(), "mask.jpg": disc(64), "picture.jpg": noisy(64)}
    for name, array in files.items():
        Image.fromarray(array).save(tmp_path / name)
        assert holds_labels((tmp_path / name).read_bytes()) == name.startswith("mask")
        assert may_be_mask(array[None]) == name.startswith("mask")
    coloured = np.stack([disc(), disc()[::-1], disc()])
    assert has_few_levels(coloured)
    assert not has_few_levels(np.stack([noisy(), disc(), disc()]))
    labels = np.repeat((disc() // 255 * 3)[..., None], 9, axis=2)
    volume = np.random.default_rng(1).integers(0, 900, (40, 40, 9))
    assert holds_labels(saved(labels.astype(np.uint8)))
    assert holds_labels(saved(labels.astype(np.float32)))
    assert not holds_labels(saved(labels.astype(np.float32) / 7))
    assert not holds_labels(saved(volume.astype(np.int16)))
    assert holds_labels(saved(volume.astype(np.int16), intent_code=1002))
    assert not holds_labels(b"no image")


def test_a_folder_of_images_and_masks_is_read_without_the_masks(tmp_path):
    for i in range(4):
        for folder, array in (("images", noisy()), ("masks", disc())):
            (tmp_path / "ab"[i % 2] / folder).mkdir(parents=True, exist_ok=True)
            Image.fromarray(array).save(tmp_path / "ab"[i % 2] / folder / f"{i}.png")
    (tmp_path / "a" / "notes.txt").write_text("x")
    how = {"layout": "folder", "subject": "file", "label_from": "^(?P<label>[ab])/"}
    found = listing_of(tmp_path, **how)
    assert {record.image.split("/")[1] for record in found.records} == {"images"}
    assert {(name.split("/")[1], reason) for name, reason, _ in found.refused} == {("masks", Reason.MASK)}
    assert len(found.records) + len(found.refused) + found.ignored == 9
    assert not found.mask_names
    kept = listing_of(tmp_path, masks="keep", **how)
    assert len(kept.records) == 8
    assert len(kept.mask_names) == 4
    left = listing_of(tmp_path, masks="keep", leave_out="masks/|^b/", **how)
    assert sorted(record.image for record in left.records) == ["a/images/0.png", "a/images/2.png"]
    assert {reason for _, reason, _ in left.refused} == {Reason.LEFT_OUT}
    assert len(left.refused) == 6


def test_a_volume_whose_header_says_labels_is_left_out(tmp_path):
    for i in range(3):
        (tmp_path / f"sub-{i}").mkdir()
        volume = np.random.default_rng(i).integers(0, 900, (20, 20, 6)).astype(np.int16)
        (tmp_path / f"sub-{i}" / f"sub-{i}_T1w.nii").write_bytes(saved(volume))
        (tmp_path / f"sub-{i}" / f"sub-{i}_parts.nii").write_bytes(saved(volume, intent_code=1002))
    found = listing_of(tmp_path)
    assert all("T1w" in record.image for record in found.records)
    assert {name for name, reason, _ in found.refused if reason == Reason.MASK} == {
        f"sub-{i}/sub-{i}_parts.nii" for i in range(3)
    }
    assert {about.modality for about in found.about.values()} == {"T1W"}
