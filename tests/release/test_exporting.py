"""Exports are made of releases that are whole, are whole themselves, and carry what the release says."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import shutil
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from unpersonal.core.errors import InputError, PolicyRefused
from unpersonal.release.exporting import export_release, exported_card
from unpersonal.release.exports import FORMS, Written
from unpersonal.release.figures import StudyFigures
from unpersonal.release.policy import PolicyConfig
from unpersonal.release.stage import run_stage

from .conftest import MARKER

NAMES = ("dicom", "nifti", "parquet", "webdataset")


@pytest.fixture
def folder(make_study: Callable[..., Path], figures: StudyFigures) -> Path:
    study = make_study()
    run_stage(study, policy=PolicyConfig(), seed=5, figures=figures)
    return study / "release"


def tree(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_every_form_is_found() -> None:
    assert FORMS.own_names() == NAMES


def test_exports_of_folder_and_zip_are_the_same_and_carry_the_words(folder: Path, tmp_path: Path) -> None:
    zipped = Path(shutil.make_archive(str(tmp_path / "sent"), "zip", folder.parent, "release"))
    digest = hashlib.sha256((folder / "manifest.json").read_bytes()).hexdigest()
    for form in NAMES:
        told = export_release(folder, form, tmp_path / form)
        found = tree(tmp_path / form)
        export_release(zipped, form, tmp_path / f"{form}-of-zip")
        assert found == tree(tmp_path / f"{form}-of-zip")
        assert found["evidence.json"] == (folder / "evidence.json").read_bytes()
        assert found["release-manifest.json"] == (folder / "manifest.json").read_bytes()
        note = json.loads(found["export.json"])
        assert note["release"]["manifest_sha256"] == digest == told.manifest_sha256
        assert (note["form"], note["images"]) == (form, 12)
        assert note["files"] == {
            name: {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
            for name, data in found.items()
            if name != "export.json"
        }
        card = found["README.md"].decode()
        assert card.startswith("---\n") and digest in card and "## This export" in card
        assert (folder / "README.md").read_text(encoding="utf-8").split("---\n")[-1].strip() in card
        assert (told.files, told.bytes) == (len(found), sum(map(len, found.values())))
        if "labels.csv" in found:
            rows = found["labels.csv"].decode().replace(f".{'dcm' if form == 'dicom' else 'nii.gz'}", ".png")
            assert rows.encode() == (folder / "labels.csv").read_bytes()


@pytest.mark.parametrize("form", NAMES)
def test_an_altered_release_is_refused(folder: Path, tmp_path: Path, form: str) -> None:
    path = folder / "images/img-000003.png"
    path.write_bytes(path.read_bytes() + b"x")
    with pytest.raises(InputError, match=r"img-000003\.png: changed"):
        export_release(folder, form, tmp_path / "out")
    assert [each.name for each in tmp_path.iterdir() if "out" in each.name] == []


def test_a_release_whose_evidence_refuses_it_is_refused(folder: Path, tmp_path: Path) -> None:
    evidence = json.loads((folder / "evidence.json").read_text(encoding="utf-8"))
    evidence["utility"]["gap_upper"] = 0.9
    data = json.dumps(evidence).encode()
    (folder / "evidence.json").write_bytes(data)
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    manifest["files"]["evidence.json"] = {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
    (folder / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    with pytest.raises(PolicyRefused, match="utility"):
        export_release(folder, "dicom", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_what_is_there_stays(folder: Path, tmp_path: Path) -> None:
    for place in (tmp_path / "file", tmp_path / "folder", tmp_path / "link"):
        {"file": place.touch, "folder": place.mkdir, "link": lambda: place.symlink_to("nowhere")}[place.name]()  # noqa: B023
        with pytest.raises(InputError, match="something already"):
            export_release(folder, "parquet", place)
    with pytest.raises(InputError, match="would lie in the release"):
        export_release(folder, "parquet", folder / "out")
    assert not (folder / "out").exists()


@pytest.mark.parametrize(("form", "modality", "where"), [("tfrecord", "OT", "--to"), ("dicom", "XRAY", "--modality")])
def test_unknown_forms_and_modalities_are_named(tmp_path: Path, form: str, modality: str, where: str) -> None:
    with pytest.raises(InputError) as error:
        export_release(tmp_path, form, tmp_path / "out", modality=modality)
    assert error.value.where == where


def test_a_form_that_fails_leaves_nothing(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(content: object, out: Path) -> Written:
        (out / "half").touch()
        raise OSError("no")

    monkeypatch.setattr(FORMS.get("nifti"), "write", fails)
    before = tree(folder)
    with pytest.raises(OSError, match="no"):
        export_release(folder, "nifti", tmp_path / "out")
    assert not [path for path in tmp_path.iterdir() if "out" in path.name] and tree(folder) == before


def test_loaders_are_told_of_the_export_and_not_of_the_release() -> None:
    head = "license: other\nconfigs:\n- config_name: default\n  data_files: metadata.csv\ntags:\n- synthetic"
    card = f"---\n{head}\n---\n# A\n"
    lines = exported_card(card, "parquet", "0" * 64, Written(("data/*.parquet",), "How.")).split("\n")
    found = lines[1 : lines.index("---", 1)]
    assert found == [
        *("license: other", "tags:", "- synthetic", "configs:", "- config_name: default"),
        *("  data_files:", '  - "data/*.parquet"'),
    ]


def layers(data: bytes) -> Iterator[bytes]:
    """The bytes of a file, and those that are packed in it."""
    yield data
    if data.startswith(b"\x1f\x8b"):
        yield from layers(gzip.decompress(data))
    elif data.startswith(b"PAR1"):
        import pyarrow.parquet as pq

        table = pq.ParquetFile(io.BytesIO(data)).read()
        yield repr(table.schema).encode() + repr(table.to_pylist()).encode()
    elif data[257:262] == b"ustar":
        with tarfile.open(fileobj=io.BytesIO(data)) as packed:
            for member in packed.getmembers():
                stream = packed.extractfile(member)
                yield from layers(stream.read() if stream else b"")


@pytest.mark.parametrize("form", ["dicom", "nifti", "parquet", "webdataset"])
def test_an_export_names_nobody(
    make_study: Callable[..., Path], figures: StudyFigures, tmp_path: Path, form: str
) -> None:
    study = make_study()
    run_stage(study, policy=PolicyConfig(), seed=987654321, figures=figures)
    export_release(study / "release", form, tmp_path / "out")
    for path in sorted((tmp_path / "out").rglob("*")):
        parts = [path.name.encode(), *(layers(path.read_bytes()) if path.is_file() else ())]
        for needle in (MARKER, "img000_", str(tmp_path), "987654321"):
            assert not any(needle.encode() in part for part in parts), (path.name, needle)
