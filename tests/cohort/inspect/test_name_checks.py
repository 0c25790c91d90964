"""Identifiers in names are found; ordinary names, counters, hashes and UIDs are not taken for them."""

from __future__ import annotations

import os
import random
from pathlib import Path

import pytest

from unpersonal.cohort.inspect.name_checks import KINDS, inspect_names
from unpersonal.cohort.inspect.suspicion import EXAMPLES

IDENTIFIERS = {
    "date": [
        "19700131.png",
        "scan_1970-01-31_ap.png",
        "31.01.1970/a.png",
        "31-1-1970.png",
        "1/2019_07_01/x.png",
        "31011970_ap.png",
        "ward/1970-01-31.nii.gz",
    ],
    "number": ["mrn4829133/x.png", "ACC 12345678901.png", "1234567.png"],
    "e-mail": ["john.doe@clinic.example/x.png", "a/jane+x@mail.example.org.png"],
    "person": ["chest/DOE^JOHN/1.png", "Doe_John/1.png", "Doe, John.dcm", "SMITH_ANNA_2.png", "x/Müller^Eva^^Dr.png"],
    "national-id": [
        "123-45-6789.png",  # United States
        "943-476-5919.png",  # United Kingdom: the check digit of the NHS's own example
        "010170-1234.png",  # Nordic
        "756.9217.0769.85.png",  # Switzerland: the official example of the AHV number
        "RSSMRA85T10A562S.png",  # Italy: the textbook Mario Rossi
        "1 85 05 78 006 084 91.png",  # France: the specimen of the carte Vitale
    ],
    "face": ["photos/a.png", "portrait_3.jpg", "HeadCT/0001.jpeg", "sub-01/anat/sub-01_T1w.nii.gz", "x/face.png"],
}
ORDINARY = [
    "NORMAL/person1_bacteria_2.jpeg",
    "NORMAL2-IM-0001-0001.jpeg",
    "IM-0001-0001-0002.jpeg",
    "images/00000006_000.png",
    "images_001/00030805_011.png",
    "effusion/sub-00001_0.png",
    "patient64541/study1/view1_frontal.jpg",
    "ab12cd34ef56ab78cd90ef12ab34cd56.png",
    "3f2504e0-4f89-11d3-9a0c-0305e82c3301.png",
    "9b74c9897bac770ffc029102a200c5de1b2c3d4e5f60718293a4b5c6d7e8f901.png",
    "1.2.840.113619.2.55.3.604688119.dcm",
    "1.3.6.1.4.1.14519.5.2.1.6279.6001.100225287222365663678666836860",
    "2.25.329800735698586629295641978511506172918.dcm",
    "Pleural_Effusion/x.png",
    "No Finding/1.png",
    "train/Foreign_Object/3.png",
    "BreastMRI/003456.jpeg",
    "ISIC_0024306.jpg",
    "XR_HUMERUS/patient00001/study1_positive/image1.png",
    "surface/overhead.png",
    "stack.dcm#frame=19700131",
    "000-12-3456.png",
    "943-476-5918/a.png",
    "1970-13-31.png",
    "99.99.1970.png",
    "12345678_0.png"[2:],
    "v1.2.3/x.png",
]


@pytest.mark.parametrize(("kind", "name"), [(kind, name) for kind, names in IDENTIFIERS.items() for name in names])
def test_identifiers_are_found_and_given_their_kind(kind, name):
    found = inspect_names([name])
    assert found.counts == {kind: 1} and found.examples == {kind: (name,)}


@pytest.mark.parametrize("name", ORDINARY)
def test_ordinary_names_raise_no_alarm(name):
    assert inspect_names([name]).counts == {}, name


def test_counts_are_of_images_and_examples_few():
    names = [f"DOE^JOHN/{i}_1970-01-31.png" for i in range(10)] + ["a/b.png"]
    found = inspect_names(names)
    assert found.images == 11 and found.counts == {"date": 10, "person": 10}
    assert all(len(shown) == EXAMPLES for shown in found.examples.values())
    assert "DOE" not in str(found.figures())
    assert inspect_names(["a/b.png"]).counts == {} and inspect_names([]).counts == {}
    assert list(inspect_names(names).counts) == [kind for kind in KINDS if kind in ("date", "person")]


def test_label_names_are_no_people():
    assert inspect_names(["Crohn_Colitis/1.png"]).counts == {"person": 1}
    assert inspect_names(["Crohn_Colitis/1.png"], ["Crohn_Colitis"]).counts == {}


def test_record_numbers_that_look_like_dates_by_chance_are_numbers():
    draw = random.Random(0)
    names = [f"p{draw.randrange(10**7, 2 * 10**7)}/x.png" for _ in range(5000)]
    names += ["p10121950/x.png", "p19700131/x.png"]
    found = inspect_names(names)
    assert found.counts == {"number": len(set(names))}
    dates = [f"p{year}0131/x.png" for year in range(1950, 2000)]
    assert inspect_names(dates).counts == {"date": 50}


def test_recorded_and_real_lists_raise_no_alarm():
    reference, kermany = os.environ.get("UNPERSONAL_REFERENCE"), os.environ.get("UNPERSONAL_KERMANY")
    if not (reference and kermany):
        pytest.skip("UNPERSONAL_REFERENCE and UNPERSONAL_KERMANY do not name the recorded lists and the Kermany zip")
    from unpersonal.images.archives import open_archive

    lists = sorted((Path(reference) / "filelists").glob("*.txt"))
    assert lists
    for path in lists:
        assert inspect_names([line.split()[0] for line in path.read_text().splitlines()]).counts == {}
    names = open_archive(Path(kermany)).image_names()
    assert len(names) == 5856 and inspect_names(names).counts == {}
