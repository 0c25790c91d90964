"""MedNIST: six folders, and nobody knows who is on an image."""

from __future__ import annotations

from collections import Counter

from unpersonal.layouts.recognise import recognise

from ..cases import checked_listing, put, refused


def test_mednist(tmp_path):
    root = tmp_path / "MedNIST"
    for folder in ("AbdomenCT", "BreastMRI", "ChestCT", "CXR", "Hand", "HeadCT"):
        for i in range(3):
            put(root, f"{folder}/{i:06d}.jpeg")
    put(root, "README.md", "x")
    listing = checked_listing(root, "mednist", 18)
    assert listing.classes == ("AbdomenCT", "BreastMRI", "ChestCT", "CXR", "Hand", "HeadCT") and listing.ignored == 1
    assert [record.subject for record in listing.records] == [record.image for record in listing.records]
    assert Counter(record.labels[0] for record in listing.records) == dict.fromkeys(listing.classes, 3)
    assert "Nobody can check" in listing.notes[0]
    refused(root, "does not name", classes=["Hand", "CXR"])
    put(root, "Foot/000001.jpeg")
    assert recognise(root) == "folder"
    refused(root, "1 of 19 images does not lie as in MedNIST", layout="mednist")
