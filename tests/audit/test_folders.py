"""The audit of folders and zips."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from unpersonal.audit import AuditConfig, audit_folders
from unpersonal.audit.folders import given_by, people_of
from unpersonal.core.errors import InputError

SMALL = AuditConfig(permutations=999, size=16, components=16, planted_copies=20, kind_copies=1, network_steps=20)
SUBJECT = r"(?P<subject>sub-\w+)_"


def write(folder: Path, images: np.ndarray, subjects: np.ndarray, nested: bool) -> Path:
    for i, (image, subject) in enumerate(zip(images, subjects, strict=True)):
        path = folder / (subject if nested else ".") / f"{subject}_{i}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image[0]).save(path)
    return folder


@pytest.mark.slow
def test_folders_and_zips_are_audited(tmp_path: Path, phantoms: tuple[np.ndarray, ...]) -> None:
    images, subjects, _ = phantoms
    names = np.unique(subjects)
    train = np.isin(subjects, names[:150])
    write(tmp_path / "train", images[train], subjects[train], nested=True)
    write(tmp_path / "control", images[~train], subjects[~train], nested=False)
    (tmp_path / "control" / "broken_sub-x_.png").write_bytes(b"no image")
    with zipfile.ZipFile(tmp_path / "synthetic.zip", "w") as archive:
        for i, row in enumerate(np.flatnonzero(train)[:60]):
            path = tmp_path / f"{i}.png"
            Image.fromarray(images[row, 0]).resize((48, 48)).save(path)
            archive.write(path, f"deep/er/{i}.png")
    arguments = (tmp_path / "train", tmp_path / "control", tmp_path / "synthetic.zip", SUBJECT, tmp_path / "out")
    result = audit_folders(*arguments, seed=3, config=SMALL)
    assert result.verdict == "fail" and result.figures.advantage >= 0.2
    written = json.loads((tmp_path / "out" / "audit.json").read_text())
    assert written == json.loads(json.dumps(result.to_dict()))
    report = (tmp_path / "out" / "report.md").read_text()
    assert report.startswith("# Audit: fail") and "half of the control subjects" in report
    assert (
        "1 file or picture was not read of control" in report and "sub-" not in report and str(tmp_path) not in report
    )
    assert "## Kinds of copies" in report and "rotation 20°" in report and "may overlook single copies" in report
    again = audit_folders(*arguments, seed=3, config=SMALL)
    assert again.to_dict() == result.to_dict()


def test_wrong_folders_are_input_errors_and_leave_nothing(tmp_path: Path, phantoms: tuple[np.ndarray, ...]) -> None:
    images, subjects, _ = phantoms
    folder = write(tmp_path / "some", images[:20], subjects[:20], nested=False)
    (tmp_path / "empty").mkdir()
    out = tmp_path / "out"
    for train, pattern in (
        (tmp_path / "missing", SUBJECT),
        (tmp_path / "empty", SUBJECT),
        (folder, r"(sub-\w+)_"),
        (folder, r"(?P<subject>["),
        (folder, r"(?P<subject>patient\d+)"),
    ):
        with pytest.raises(InputError):
            audit_folders(train, folder, folder, pattern, out, config=SMALL)
    with pytest.raises(InputError, match=r"^\d+ subjects are in both train and control\. Where.* further folder"):
        audit_folders(folder, folder, folder, SUBJECT, out, config=SMALL)
    for place in (folder, folder / "results"):
        with pytest.raises(InputError, match="choose a folder outside"):
            audit_folders(folder, tmp_path / "empty", tmp_path / "empty", SUBJECT, place, config=SMALL)
    assert not out.exists() and not (folder / "results").exists()


@pytest.mark.slow
def test_attempts_on_the_same_people_are_counted_beside_the_results(
    tmp_path: Path, phantoms: tuple[np.ndarray, ...]
) -> None:
    images, subjects, _ = phantoms
    names = np.unique(subjects)
    train, control, fresh = (np.isin(subjects, names[a:b]) for a, b in ((0, 60), (60, 160), (160, 200)))
    for name, rows in (("train", train), ("control", control), ("synthetic", fresh)):
        write(tmp_path / name, images[rows], subjects[rows], nested=False)
    # somebody of train under another name
    Image.fromarray(images[train][0, 0]).save(tmp_path / "control" / "sub-twin_0.png")
    out, given = tmp_path / "out", [tmp_path / name for name in ("train", "control", "synthetic")]
    found = []
    for where, how in (
        (out, {"at_random": False}),
        # another size makes no other people of them
        (out, {"sealed": 0.5, "size": 48}),
        (tmp_path / "new", {"sealed": 0.5, "open_seal": True, "ledger": out / "attempts.jsonl"}),
    ):
        figures = audit_folders(*given, SUBJECT, where, seed=1, config=SMALL, **how).figures
        assert figures.attempts is not None and figures.control is not None
        found.append((figures.attempts.attempts, figures.attempts.seal))
        assert figures.confidence == pytest.approx(1 - figures.attempts.alpha)
        assert figures.control.excluded == "<5" and any("share a picture" in note for note in figures.notes)
        chance = how.get("at_random", True)
        assert ("it is assumed that chance" in str(figures.claim)) == chance
        assert any("chance that decided" in reason for reason in figures.reasons) != chance
        assert figures.verdict != "pass" or how.get("open_seal")
        assert "## Attempts" in (where / "report.md").read_text()
    assert found == [(1, "none"), (2, "closed"), (3, "open")]
    beside = (tmp_path / "audit-attempts.jsonl").read_bytes()
    assert (out / "attempts.jsonl").read_bytes().startswith(beside) and not (
        tmp_path / "new" / "attempts.jsonl"
    ).exists()


def test_people_are_the_same_at_another_size_and_beside_another_control(
    tmp_path: Path, phantoms: tuple[np.ndarray, ...]
) -> None:
    images, subjects, _ = phantoms
    for name, start in (("train", 0), ("control", 10), ("synthetic", 20)):
        write(tmp_path / name, images[start : start + 10], subjects[start : start + 10], nested=False)
    paths = {name: tmp_path / name for name in ("train", "control", "synthetic")}
    found = [given_by(paths, "file", size, 0) for size in (32, 48)]
    (tmp_path / "control" / f"{subjects[10]}_0.png").unlink()
    found.append(given_by(paths, "file", 32, 0))
    assert len({people_of(given, "train") for given in found}) == 1
    assert found[0].contents == found[1].contents != found[2].contents
    (tmp_path / "train" / f"{subjects[0]}_0.png").unlink()
    assert people_of(given_by(paths, "file", 32, 0), "train") != people_of(found[0], "train")


def test_an_audit_of_too_few_people_does_not_begin(tmp_path: Path, phantoms: tuple[np.ndarray, ...]) -> None:
    images, subjects, _ = phantoms
    names = np.unique(subjects)

    def audit_of(train: int, control: int) -> None:
        sides = {"train": names[:train], "control": names[100 : 100 + control], "synthetic": names[300:304]}
        root = tmp_path / f"{train}-{control}"
        for name, chosen in sides.items():
            rows = np.isin(subjects, chosen)
            write(root / name, images[rows], subjects[rows], nested=False)
        audit_folders(*(root / name for name in sides), SUBJECT, tmp_path / "out", config=SMALL)

    for train, control, said in ((4, 40, "4 in train; nothing"), (40, 16, "8 in control, when half")):
        with pytest.raises(InputError, match=f"Too few people: {said}.* 10 people in train and 20 in control"):
            audit_of(train, control)
    assert not (tmp_path / "out").exists()


def test_a_copy_below_the_upper_eight_bits_is_compared(tmp_path: Path, phantoms: tuple[np.ndarray, ...]) -> None:
    images, subjects, _ = phantoms
    for name, start in (("train", 0), ("control", 10)):
        write(tmp_path / name, images[start : start + 10], subjects[start : start + 10], nested=False)
    (tmp_path / "synthetic").mkdir()
    for number, (shown, hidden) in enumerate(zip(images[20:30, 0], images[:10, 0], strict=True)):
        Image.fromarray(shown.astype(np.uint16) << 8 | hidden).save(tmp_path / "synthetic" / f"{number}.png")
    paths = {name: tmp_path / name for name in ("train", "control", "synthetic")}
    given = given_by(paths, "file", 32, 0)
    assert given.pictures.tolist() == [*range(10), *range(10)]
    train = {image.tobytes() for image in given.sets["train"].images}
    shown, hidden = ({image.tobytes() for image in part} for part in (given.released[:10], given.released[10:]))
    assert hidden == train and not shown & train
    assert any("more than 8 bits" in note for note in given.notes) and not given.shortfalls
