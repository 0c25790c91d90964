"""Verification tells four things apart: intact, intact with litter, altered, and not what it claims to be."""

from __future__ import annotations

import json
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from tests.commands.conforming import conforms
from tests.release.test_verify import flip_byte, folder, rewrite_manifest  # noqa: F401
from unpersonal.cli import app
from unpersonal.core.errors import InputError
from unpersonal.release.claims import claim_problems
from unpersonal.release.litter import is_left_behind
from unpersonal.release.verify import check_release, verify_release

LITTER = (
    ".DS_Store", "images/.DS_Store", "images/Thumbs.db", "._README.md", "desktop.ini", "README.md~", "images/.nfs0001",
    "__MACOSX/._images", ".Spotlight-V100/x",
)  # fmt: skip


def verify(path: Path, *words: str) -> Any:
    return CliRunner().invoke(app, ["verify", str(path), *words])


def change_evidence(release: Path, change: Callable[[dict[str, Any]], object]) -> None:
    evidence = json.loads((release / "evidence.json").read_text(encoding="utf-8"))
    change(evidence)
    (release / "evidence.json").write_text(json.dumps(evidence), encoding="utf-8")
    rewrite_manifest(release)


@pytest.mark.parametrize("name", LITTER)
def test_litter_is_named_and_says_nothing_of_a_release(folder: Path, name: str) -> None:  # noqa: F811
    (folder / name).parent.mkdir(exist_ok=True)
    (folder / name).write_bytes(b"x")
    done = verify(folder)
    assert done.exit_code == 0 and name in done.stdout and "note:" in done.stdout
    told = conforms("verify", verify(folder, "--json").stdout)
    assert told["state"] == "intact-with-litter" and told["litter"] == [name] and told["problems"] == []
    assert told["found"] == told["read"] + told["ignored"] == told["read"] + 1


@pytest.mark.parametrize("name", ["images/.secret.png", ".DS_Store", ".git/HEAD", "notes.txt", "more/.DS_Store"])
def test_what_only_looks_like_litter_is_added(folder: Path, name: str) -> None:  # noqa: F811
    (folder / name).parent.mkdir(exist_ok=True)
    (folder / name).write_bytes(b"\x89PNG\r\n\x1a\n" if name == ".DS_Store" else b"x")
    done = verify(folder)
    assert done.exit_code == 2 and name.split("/")[0] in done.stderr


REAL = {
    "@eaDir/brain.nii.gz": b"\x1f\x8b\x08" + bytes(60),
    "@eaDir/vol.nii": (348).to_bytes(4, "little") + bytes(340) + b"n+1\0" + bytes(64),
    "child.bmp~": b"BM" + bytes(60),
    "images/x.webp~": b"RIFF\x20\0\0\0WEBPVP8 " + bytes(32),
    "denoiser.safetensors~": (40).to_bytes(8, "little") + b'{"w":{"dtype":"F32"}}' + bytes(40),
    "patients.csv~": b"name,born\nJane Doe,1980\n",
    ".patients.csv.swp": b"b0VIM 9.1" + bytes(60),
    ".Trash-1000/files/raw": bytes(range(256)),
    "desktop.ini": b"name,born\nJane Doe,1980\n",
    ".DS_Store": b"\0\0\0\1Bud1" + bytes(8) + b"\xff\xd8\xff\xe0",
    "._big": b"\0\5\x16\7" + bytes(2**16),
    "Thumbs.db": b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(2**16),
}


@pytest.mark.parametrize("name", REAL)
def test_pictures_weights_and_tables_are_no_litter_whatever_their_name(folder: Path, name: str) -> None:  # noqa: F811
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(REAL[name])
    found = check_release(folder)
    assert found.state == "altered" and f"{name}: added (not in the manifest)" in found.altered


def test_what_systems_write_and_copies_of_the_release_are_litter(folder: Path) -> None:  # noqa: F811
    image = next((folder / "images").iterdir())
    left = {
        "README.md~": (folder / "README.md").read_bytes(),
        f"images/{image.name}~": image.read_bytes(),
        ".labels.csv.swp": b"",
        "desktop.ini": b"\xff\xfe" + "[.ShellClassInfo]\r\nIconIndex=0\r\n".encode("utf-16-le"),
        ".directory": b"[Dolphin]\nVersion=4\n",
        ".DS_Store": b"\0\0\0\1Bud1" + bytes(6000),
        "._README.md": b"\0\5\x16\7\0\2\0\0Mac OS X" + bytes(4000),
        "Thumbs.db": b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(5000),
    }
    for name, data in left.items():
        (folder / name).write_bytes(data)
    found = check_release(folder)
    assert found.state == "intact-with-litter" and found.litter == tuple(sorted(left))


COMMIT, ETAG = "0123456789abcdef" * 2 + "01234567", "89abcdef" * 8


def test_what_a_client_of_a_hub_leaves_is_litter(folder: Path) -> None:  # noqa: F811
    place = folder / ".cache" / "huggingface" / "download"
    (place / "images").mkdir(parents=True)
    (folder / ".gitattributes").write_text(
        "*.png filter=lfs diff=lfs merge=lfs -text\nsaved_model/**/* filter=lfs diff=lfs merge=lfs -text\n"
        "# Image files - uncompressed\n"
    )
    (folder / ".cache" / "huggingface" / ".gitignore").write_text("*")
    for name in ("README.md", "images/img-000001.png"):
        (place / f"{name}.metadata").write_text(f'{COMMIT}\n"{ETAG}"\n1700000000.123\n')
        (place / f"{name}.lock").write_bytes(b"")
    found = check_release(folder)
    assert found.state == "intact-with-litter" and len(found.litter) == 6
    # a note or a picture where such a client keeps its records is none of them
    for name, data in (
        (".cache/huggingface/download/x.metadata", f"{COMMIT}\nJane Doe, born 1980\n1700000000\n"),
        (".cache/huggingface/download/x.lock", "Jane Doe, born 1980"),
        (".gitattributes", "*.png filter=lfs diff=lfs merge=lfs -text\n# Jane Doe, born 1980\n"),
    ):
        before = (folder / name).read_bytes() if (folder / name).exists() else None
        (folder / name).write_text(data)
        assert f"{name}: added (not in the manifest)" in check_release(folder).altered
        (folder / name).unlink() if before is None else (folder / name).write_bytes(before)
    assert check_release(folder).state == "intact-with-litter"


def test_what_was_not_fetched_is_told(folder: Path) -> None:  # noqa: F811
    """A pointer of Git LFS in place of a file, and the cache of a hub, in which all files are links."""
    cache = folder.parent / "cache"
    cache.mkdir()
    for path in folder.iterdir():
        (cache / path.name).symlink_to(path)
    with pytest.raises(InputError, match="no release here") as error:
        check_release(cache)
    assert error.value.how is not None and "cp -rL" in error.value.how
    image = sorted((folder / "images").iterdir())[0]
    image.write_text(f"version https://git-lfs/spec/v1\noid sha256:{ETAG}\nsize 99\n")
    found = check_release(folder)
    assert found.state == "altered" and "git lfs pull" in found.altered[0]


def test_a_link_is_no_litter(folder: Path, tmp_path: Path) -> None:  # noqa: F811
    (folder / ".DS_Store").symlink_to(tmp_path)
    assert not is_left_behind(folder, ".DS_Store") and verify(folder).exit_code == 2


def test_a_circle_of_links_in_place_of_a_picture_is_found(folder: Path) -> None:  # noqa: F811
    image = next((folder / "images").iterdir())
    image.unlink()
    image.symlink_to(image.name)
    found = check_release(folder)
    assert found.state == "altered" and f"images/{image.name}: a link is not allowed" in found.altered


def test_altered_files_are_told_from_line_ends(folder: Path) -> None:  # noqa: F811
    image = next((folder / "images").iterdir())
    flip_byte(image)
    labels = (folder / "labels.csv").read_bytes()
    (folder / "labels.csv").write_bytes(labels.replace(b"\n", b"\r\n"))
    found = check_release(folder)
    assert found.state == "altered" and found.refused == 2
    assert f"images/{image.name}: changed (it does not match the manifest)" in found.altered
    assert any("labels.csv: changed in its line ends alone" in problem for problem in found.altered)


def looser(evidence: dict[str, Any]) -> None:
    evidence["policy"]["utility_gap_upper"] = 1.0


CLAIMS = {
    "verdict": lambda e: e["audit"].update(verdict="fail"),
    "no audit": lambda e: e.pop("audit"),
    "gate": lambda e: e["gate"].update(miss_rate_upper=0.5),
    "gate unknown": lambda e: e["gate"].pop("miss_rate_upper"),
    "utility": lambda e: e["utility"].update(gap_upper=0.2),
    "primary": lambda e: e["audit"]["primary"][0].update(upper=0.99),
    "no primary": lambda e: e["audit"].pop("primary"),
    "isolated": lambda e: e["audit"].update(advantage_upper=0.4),
    "profile": lambda e: e["policy"].update(profile="internal"),
    "loosened in silence": looser,
    "no limits": lambda e: e.pop("policy"),
    "images": lambda e: e["synthesis"].update(released=500),
    "memorised": lambda e: e["diffusion"].update(denoiser_memorised=True),
    "nobody looked": lambda e: e["diffusion"].pop("denoiser_memorised"),
    "guide memorised": lambda e: e["diffusion"].update(guide_memorised=True),
    "too weak to notice": lambda e: e["diffusion"].update(denoiser_match_power=0.3),
    "releases": lambda e: e.update(history={"releases": "6", "predecessor": "0" * 64}),
    "releases by its own limit": lambda e: (
        e["policy"].update(max_releases=1),
        e.update(history={"releases": "2", "predecessor": "0" * 64}),
    ),
    "samples match": lambda e: e["diffusion"].update(denoiser_match_rate_lower=0.2),
}


@pytest.mark.parametrize("change", CLAIMS.values(), ids=CLAIMS)
def test_a_release_that_is_not_what_it_claims_is_refused(folder: Path, change: Any) -> None:  # noqa: F811
    assert verify_release(folder) == []
    change_evidence(folder, change)
    found = check_release(folder)
    assert found.state == "not-as-claimed" and not found.altered and found.claims
    done = verify(folder)
    assert done.exit_code == 3 and "not what it claims to be" in done.stderr


def test_evidence_without_form_claims_nothing() -> None:
    assert claim_problems([], 3) and claim_problems({"audit": [], "policy": "x"}, 3)


def test_a_release_is_verified_as_the_zip_in_which_it_was_sent(folder: Path, tmp_path: Path) -> None:  # noqa: F811
    whole = shutil.make_archive(str(tmp_path / "flat"), "zip", folder)
    below = shutil.make_archive(str(tmp_path / "below"), "zip", folder.parent, folder.name)
    assert [verify(Path(path)).exit_code for path in (whole, below)] == [0, 0]
    flip_byte(folder / "README.md")
    assert verify(Path(shutil.make_archive(str(tmp_path / "bad"), "zip", folder))).exit_code == 2


def test_what_lies_beside_a_release_in_its_zip_is_told(folder: Path, tmp_path: Path) -> None:  # noqa: F811
    packed = Path(shutil.make_archive(str(tmp_path / "sent"), "zip", folder.parent, folder.name))
    with zipfile.ZipFile(packed, "a") as archive:
        archive.writestr("__MACOSX/._x", b"litter")
    found = check_release(packed)
    assert found.state == "intact-with-litter" and found.litter == ("__MACOSX/._x",)
    with zipfile.ZipFile(packed, "a") as archive:
        archive.writestr("originals/person.png", (folder / "README.md").read_bytes())
        archive.writestr("names.csv", b"x")
    more = check_release(packed)
    assert more.state == "altered" and more.found == found.found + 2 and more.refused == 2
    assert [problem.split(":")[0] for problem in more.altered] == ["names.csv", "originals/person.png"]


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("release/images/MRN-0815/", "images/MRN-0815: an unexpected folder"),
        ("MRN-0815/visit/", "MRN-0815/visit: an unexpected folder (beside the release in the zip)"),
    ],
)
def test_a_folder_without_files_in_a_zip_says_something_too(
    folder: Path,  # noqa: F811
    tmp_path: Path,
    name: str,
    told: str,
) -> None:
    packed = Path(shutil.make_archive(str(tmp_path / "sent"), "zip", folder.parent, folder.name))
    with zipfile.ZipFile(packed, "a") as archive:
        archive.writestr(name, b"")
    assert check_release(packed).altered == (told,)
    assert verify(packed).exit_code == 2


def test_comments_of_a_zip_are_told_save_a_commit(folder: Path, tmp_path: Path) -> None:  # noqa: F811
    packed = Path(shutil.make_archive(str(tmp_path / "sent"), "zip", folder.parent, folder.name))
    for comment, count in ((b"5f" * 20, 0), (b"5f" * 20 + b" MRN-0815", 1)):
        with zipfile.ZipFile(packed, "a") as archive:
            archive.comment = comment
        assert len(check_release(packed).altered) == count
    with zipfile.ZipFile(packed, "a") as archive:
        note = zipfile.ZipInfo("__MACOSX/._x")
        note.comment = b"of MRN-0815"
        archive.writestr(note, b"litter")
    assert check_release(packed).altered == ("2 comments in the zip: none belongs there",)


def test_bytes_of_a_zip_that_nobody_sees_are_told(folder: Path, tmp_path: Path) -> None:  # noqa: F811
    packed = Path(shutil.make_archive(str(tmp_path / "sent"), "zip", folder.parent, folder.name))
    assert check_release(packed).state == "intact"
    packed.write_bytes(b"of MRN-0815" + packed.read_bytes())
    assert check_release(packed).altered == ("11 bytes of the zip belong to none of its files: make the archive anew",)
    assert verify(packed).exit_code == 2


@pytest.mark.parametrize("name", ["release/README.md/", "release/README.md/more.txt"])
def test_a_file_that_is_a_folder_as_well_is_refused(folder: Path, tmp_path: Path, name: str) -> None:  # noqa: F811
    packed = Path(shutil.make_archive(str(tmp_path / "sent"), "zip", folder.parent, folder.name))
    with zipfile.ZipFile(packed, "a") as archive:
        archive.writestr(name, b"")
    with pytest.raises(InputError, match=r"README\.md' (as a file and as a folder|twice)"):
        check_release(packed)


def test_the_folder_above_a_release_is_told_where_it_is(folder: Path) -> None:  # noqa: F811
    shutil.copytree(folder, folder.parent / "up" / "release")
    done = verify(folder.parent / "up")
    assert done.exit_code == 2 and str(folder.parent / "up" / "release") in done.stderr
