"""Folders and zips of DICOM files: who is on them and what they show stands in their headers."""

from __future__ import annotations

from unpersonal.layouts.subjects import look_alikes

from .cases import listing_of, scan


def test_issuer_and_id_are_joined_without_meeting(tmp_path):
    people = [("b:c", "a"), ("b:c", "z"), ("c", "a:b"), ("c", "q"), ("a:b:c", ""), ("P1", ""), ("p1", ""),
              ("1", "x\\"), ("1", "x"), ("\\:1", "x")]  # fmt: skip
    for i, (patient, issuer) in enumerate(people):
        scan(tmp_path / "k" / f"{i}.dcm", patient, issuer)
    listing = listing_of(tmp_path)
    subjects = {record.image: record.subject for record in listing.records}
    assert len(set(subjects.values())) == len(people) == len(listing.records)
    assert subjects["k/3.dcm"] == "q:c" and subjects["k/5.dcm"] == "P1"
    assert ["P1", "p1"] in look_alikes(subjects.values())
