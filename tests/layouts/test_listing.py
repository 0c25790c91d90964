"""What a listing holds: frames of one file, kinds of files that were ignored."""

from __future__ import annotations

import pytest

from .cases import listing_of, write


@pytest.mark.parametrize("name", ["t.csv", "t.txt"])
def test_the_frames_of_a_file_are_one_subject(tmp_path, name):
    lines = {"t.csv": "image,label\nv.dcm#frame=0,a\nv.dcm#frame=1,a\nw.nii#slice=3,a\nx.png,a\n",
             "t.txt": "v.dcm#frame=0 0 1\nv.dcm#frame=1 0 1\nw.nii#slice=3 0 1\nx.png 1 0\n"}  # fmt: skip
    write(tmp_path, name, text=lines[name])
    values = {"classes": ["k", "l"]} if name == "t.txt" else {}
    listing = listing_of(tmp_path / name, subject="file", **values)
    assert [record.subject for record in listing.records] == ["v.dcm", "v.dcm", "w.nii", "x.png"]


def test_kinds_of_ignored_files(tmp_path):
    write(
        tmp_path, "a/1.png", *(f"a/{i}.xyz" for i in range(7)), *(f"a/{i}.gif" for i in range(3)), "a/1.2.840.11", "a/b"
    )
    (note,) = listing_of(tmp_path, subject="file").notes
    assert note == "12 files of other kinds were ignored: 7 .xyz, 3 .gif, 2 without suffix."
    write(tmp_path, "a/1.DOE JOHN", "a/2.müller", "a/1.aa", "a/1.bb", "a/1.cc", ".DS_Store", "__MACOSX/a/1.png")
    listing = listing_of(tmp_path, subject="file")
    (note,) = listing.notes
    assert (
        note.startswith("17 files of") and "2 of odd suffixes" in note and "2 more." in note and listing.ignored == 19
    )
    assert "doe" not in note.lower() and note.count(",") == 5
