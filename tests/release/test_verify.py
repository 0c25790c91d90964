"""Verification finds every planted alteration, also where the manifest was altered with it."""

from __future__ import annotations

import hashlib
import json
import os
import struct
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, PngImagePlugin

from unpersonal.core.errors import InputError
from unpersonal.release.figures import StudyFigures
from unpersonal.release.png import png_bytes, png_problems
from unpersonal.release.policy import PolicyConfig
from unpersonal.release.stage import run_stage
from unpersonal.release.verify import verify_release


@pytest.fixture
def folder(make_study: Callable[..., Path], figures: StudyFigures) -> Path:
    study = make_study()
    run_stage(study, policy=PolicyConfig(), seed=5, figures=figures)
    return study / "release"


def rewrite_manifest(folder: Path, change: Callable[[dict[str, Any]], None] | None = None) -> None:
    """A forger's work: hashes and sizes recomputed, then `change`."""
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    manifest["files"] = {
        path.relative_to(folder).as_posix(): {
            "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
            "bytes": path.stat().st_size,
        }
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != "manifest.json"
    }
    manifest["images"] = len(list((folder / "images").iterdir()))
    if change:
        change(manifest)
    (folder / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")


def flip_byte(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(bytes(data))


def test_an_untouched_release_has_no_problem(folder: Path) -> None:
    assert verify_release(folder) == []
    rewrite_manifest(folder)
    assert verify_release(folder) == []


@pytest.mark.parametrize("name", ["images/img-000003.png", "labels.csv", "evidence.json", "README.md"])
def test_changed_and_missing_files_are_named(folder: Path, name: str) -> None:
    flip_byte(folder / name)
    assert any(name in problem and "changed" in problem for problem in verify_release(folder))
    (folder / name).unlink()
    assert any(name in problem and "missing" in problem for problem in verify_release(folder))


@pytest.mark.parametrize("name", ["extra.txt", "images/img-999999.png", ".hidden", "more/file.csv"])
def test_added_files_are_named(folder: Path, name: str) -> None:
    (folder / name).parent.mkdir(exist_ok=True)
    (folder / name).write_bytes(b"x")
    assert any(name in problem and "added" in problem for problem in verify_release(folder))


def test_links_are_found(folder: Path, tmp_path: Path) -> None:
    target = tmp_path / "target.png"
    image = folder / "images" / "img-000001.png"
    target.write_bytes(image.read_bytes())
    image.unlink()
    image.symlink_to(target)
    (folder / "elsewhere").symlink_to(tmp_path, target_is_directory=True)
    problems = verify_release(folder)
    assert any("img-000001.png: a link" in problem for problem in problems)
    assert any("elsewhere: a link" in problem for problem in problems)


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", ["../../secret.txt", "/etc/passwd", "images/../../secret.txt", "images\\x.png", "", "a\x00b"]
)
def test_a_manifest_cannot_lead_outside(folder: Path, name: str) -> None:
    rewrite_manifest(folder, lambda manifest: manifest["files"].update({name: {"sha256": "0" * 64, "bytes": 1}}))
    assert any("outside" in problem for problem in verify_release(folder))


def test_a_pipe_is_found_and_not_read(folder: Path) -> None:
    os.mkfifo(folder / "pipe")
    assert any("pipe: not a plain file" in problem for problem in verify_release(folder))


def test_names_that_say_something_are_found(folder: Path) -> None:
    (folder / "images" / "img-000002.png").rename(folder / "images" / "person12_virus.png")
    rewrite_manifest(folder)
    problems = verify_release(folder)
    assert any("person12_virus.png: not a name" in problem for problem in problems)
    assert any("labels.csv" in problem for problem in problems)


def test_metadata_in_a_picture_is_found(folder: Path) -> None:
    path = folder / "images" / "img-000004.png"
    with Image.open(path) as picture:
        picture.load()
        info = PngImagePlugin.PngInfo()
        info.add_text("Comment", "person 12")
        picture.save(path, pnginfo=info)
    rewrite_manifest(folder)
    assert any("tEXt" in problem for problem in verify_release(folder))


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def test_bytes_hidden_in_a_picture_are_found(tmp_path: Path) -> None:
    image = np.arange(64, dtype=np.uint8).reshape(1, 8, 8)
    good = png_bytes(image)
    path = tmp_path / "x.png"

    def problems(data: bytes) -> list[str]:
        path.write_bytes(data)
        return png_problems(path)

    assert problems(good) == []
    assert png_bytes(image) == good
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", 8, 8, 8, 0, 0, 0, 0))
    rows = b"".join(b"\x00" + image[0, row].tobytes() for row in range(8))
    build = lambda pixels, tail=b"": good[:8] + header + chunk(b"IDAT", pixels) + chunk(b"IEND", b"") + tail  # noqa: E731
    assert problems(build(zlib.compress(rows))) == []
    assert problems(build(zlib.compress(rows), b"secret"))
    assert problems(build(zlib.compress(rows + b"secret")))
    assert problems(build(zlib.compress(rows) + b"secret"))
    assert problems(build(zlib.compress(rows[:-1])))
    assert problems(build(zlib.compress(bytes(10**7))))
    assert problems(good[:-4] + b"\x00\x00\x00\x00")
    assert problems(good[:20])
    assert problems(b"GIF89a")
    huge = chunk(b"IHDR", struct.pack(">IIBBBBB", 2**30, 2**30, 8, 0, 0, 0, 0))
    assert problems(good[:8] + huge + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b""))


@pytest.mark.parametrize(
    "text",
    [
        "file,label\n",
        "file,label\nimg-000001.png,a\nimg-000001.png,a\n",
        "name,label\n",
        "file,label,subject\n",
        "",
    ],
)
def test_labels_that_do_not_fit_are_found(folder: Path, text: str) -> None:
    (folder / "labels.csv").write_text(text, encoding="utf-8")
    rewrite_manifest(folder)
    assert any("labels.csv" in problem for problem in verify_release(folder))


@pytest.mark.parametrize("leak", [{"subject": "x"}, {"gate": {"nearest": 1.0}}, {"cohort": {"quarantined": 3}}])
def test_evidence_that_breaks_the_rules_is_found(folder: Path, leak: dict[str, Any]) -> None:
    (folder / "evidence.json").write_text(json.dumps(leak), encoding="utf-8")
    rewrite_manifest(folder)
    assert any("evidence.json" in problem for problem in verify_release(folder))


def test_an_inconsistent_manifest_is_found(folder: Path) -> None:
    rewrite_manifest(folder, lambda manifest: manifest.update(images=3))
    assert any("says 3 images" in problem for problem in verify_release(folder))
    rewrite_manifest(folder, lambda manifest: manifest["files"].update({"labels.csv": 5}))
    assert any("no hash" in problem for problem in verify_release(folder))
    rewrite_manifest(folder, lambda manifest: manifest["files"].pop("README.md"))
    assert any("README.md" in problem for problem in verify_release(folder))


@pytest.mark.slow
@pytest.mark.parametrize("text", [None, "", "[]", "{}", '{"files": {}}', "not json", '{"files": {}, "format": "x"}'])
def test_what_is_no_release_is_an_input_error(folder: Path, text: str | None) -> None:
    if text is None:
        (folder / "manifest.json").unlink()
    else:
        (folder / "manifest.json").write_text(text, encoding="utf-8")
    with pytest.raises(InputError):
        verify_release(folder)


def test_a_folder_that_is_absent_is_an_input_error(tmp_path: Path) -> None:
    with pytest.raises(InputError):
        verify_release(tmp_path / "absent")


def test_a_release_whose_audit_did_not_pass_is_found(folder: Path) -> None:
    evidence = json.loads((folder / "evidence.json").read_text(encoding="utf-8"))
    assert evidence["audit"]["verdict"] == "pass" and verify_release(folder) == []
    evidence["audit"]["verdict"] = "inconclusive"
    (folder / "evidence.json").write_text(json.dumps(evidence), encoding="utf-8")
    rewrite_manifest(folder)
    assert any("its verdict is 'inconclusive'" in problem for problem in verify_release(folder))


@pytest.mark.parametrize(
    ("names", "match"),
    [
        (["a/1.png"], "There is no release here"),
        (["x/y/manifest.json"], "at most one folder deep"),
        (["a/manifest.json", "b/manifest.json"], "The zip holds 2 releases .a/manifest.json, b/manifest.json"),
        (["a/manifest.json"], "broken manifest"),
    ],
)
def test_a_zip_without_a_release_is_named_itself(tmp_path: Path, names: list[str], match: str) -> None:
    with zipfile.ZipFile(tmp_path / "given.zip", "w") as archive:
        for name in names:
            archive.writestr(name, b"no JSON")
    with pytest.raises(InputError, match=match) as caught:
        verify_release(tmp_path / "given.zip")
    assert caught.value.where.startswith(str(tmp_path / "given.zip"))


def test_a_path_that_leads_nowhere_is_told_as_such(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file or folder"):
        verify_release(tmp_path / "nowhere")
