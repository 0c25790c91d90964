"""Locks, folders and texts as file systems and editors give them."""

from __future__ import annotations

import errno
import os
import subprocess
import sys

import pytest

from unpersonal.core import places
from unpersonal.core.errors import DiskFullError, InputError
from unpersonal.core.files import (
    is_litter,
    is_temporary,
    read_json,
    read_text,
    write_text,
)
from unpersonal.core.places import check_output_folder, check_writable, real_place, resolved, study_lock


def fails(number):
    def call(*given, **named):
        raise OSError(number, os.strerror(number))

    return call


@pytest.mark.parametrize("number", [errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOLCK, errno.EINVAL])
def test_a_file_system_without_locks_is_told_as_that(tmp_path, monkeypatch, number):
    monkeypatch.setattr(places.fcntl, "flock", fails(number))
    with pytest.raises(InputError, match="cannot lock files") as refusal, study_lock(tmp_path):
        pytest.fail("the block was entered")
    assert os.strerror(number) in str(refusal.value) and "Another process" not in str(refusal.value)
    assert list(tmp_path.iterdir()) == [], "no lock is left where none could be taken"


@pytest.mark.parametrize("number", [errno.EROFS, errno.EACCES, errno.EPERM, errno.ENOENT, errno.ENOTDIR])
def test_a_folder_that_cannot_be_written_is_told_as_that(tmp_path, monkeypatch, number):
    monkeypatch.setattr("builtins.open", fails(number))
    with pytest.raises(InputError, match="cannot be written") as refusal, study_lock(tmp_path):
        pytest.fail("the block was entered")
    assert refusal.value.where == str(tmp_path) and refusal.value.how


def test_a_bug_is_no_place(tmp_path, monkeypatch):
    monkeypatch.setattr("builtins.open", fails(errno.EINVAL))
    with pytest.raises(OSError, match="Invalid"), study_lock(tmp_path):
        pytest.fail("the block was entered")


def test_a_second_process_is_kept_out_as_long_as_the_first_lives(tmp_path):
    code = "import sys; from unpersonal.core.places import study_lock; from pathlib import Path\n"
    code += "with study_lock(Path(sys.argv[1])): print('held', flush=True); sys.stdin.read()"
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], **pipes) as process:
        assert process.stdout is not None and process.stdout.readline() == "held\n"
        with pytest.raises(InputError, match="Another process"), study_lock(tmp_path):
            pytest.fail("the block was entered")
        process.kill()
    with study_lock(tmp_path):
        pass


def test_whatever_a_stage_writes_into_is_checked(tmp_path, monkeypatch):
    (tmp_path / "store").mkdir()
    (tmp_path / "store" / "latents.npy").write_text("x")
    patterns = ["store/latents*", "models/judges", "cohort.parquet"]
    check_writable(tmp_path, patterns)
    for locked in (tmp_path, tmp_path / "store", tmp_path / "store" / "latents.npy"):
        with monkeypatch.context() as patch:
            patch.setattr(places.os, "access", lambda path, _, locked=locked: path != locked)
            with pytest.raises(InputError, match="read-only") as refusal:
                check_writable(tmp_path, patterns)
            assert refusal.value.where == str(locked)


def test_an_output_folder_is_tried_and_left_as_it_was(tmp_path):
    check_output_folder(tmp_path / "new" / "deep")
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "mine.txt").write_text("x")
    check_output_folder(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]
    for path in (tmp_path / "mine.txt", tmp_path / "mine.txt" / "below"):
        with pytest.raises(InputError, match="cannot be written"):
            check_output_folder(path)
    assert (tmp_path / "mine.txt").read_text() == "x"


def test_a_folder_is_made_where_a_link_leads(tmp_path):
    for name, target in (("there", "disk"), ("nowhere", "absent/deep"), ("circle", "other"), ("other", "circle")):
        (tmp_path / name).symlink_to(tmp_path / target)
    (tmp_path / "disk").mkdir()
    assert real_place(tmp_path / "there") == tmp_path / "disk"
    assert real_place(tmp_path / "nowhere") == tmp_path / "absent" / "deep"
    assert real_place(tmp_path / "disk") == tmp_path / "disk" and real_place(tmp_path / "new") == tmp_path / "new"
    with pytest.raises(InputError, match="round in a circle"):
        real_place(tmp_path / "circle")
    assert resolved(tmp_path / "circle").parent == tmp_path and resolved(tmp_path / "there") == tmp_path / "disk"


@pytest.mark.parametrize(("number", "kind"), [(errno.EROFS, InputError), (errno.ENOSPC, DiskFullError)])
def test_an_output_folder_that_takes_no_file_is_refused(tmp_path, monkeypatch, number, kind):
    monkeypatch.setattr("pathlib.Path.write_bytes", fails(number))
    with pytest.raises(kind):
        check_output_folder(tmp_path / "new" / "deep")
    assert list(tmp_path.iterdir()) == []


LITTER = [
    ".DS_Store",
    "a/._b.json",
    "Thumbs.db",
    "a/THUMBS.DB",
    "desktop.ini",
    "x~",
    ".nfs0001",
    ".git/config",
    "Icon\r",
]


@pytest.mark.parametrize("name", LITTER)
def test_litter_is_known(name):
    assert is_litter(name) and not is_temporary(name.rsplit("/")[-1])


@pytest.mark.parametrize("name", ["a.json", "thumbs/x.npy", "./a", "../a", "desktop.ini.txt", "~a"])
def test_other_files_are_no_litter(name):
    assert not is_litter(name)


def test_our_own_temporary_names_are_known(tmp_path, monkeypatch):
    seen = []
    real = os.replace

    def noted(source, target):
        seen.append(os.path.basename(source))
        real(source, target)

    monkeypatch.setattr("unpersonal.core.files.os.replace", noted)
    for name in ("a.json", "b", "c.tar.gz", "d e.npy"):
        write_text(tmp_path / name, "x")
    assert len(seen) == 4 and all(is_temporary(name) for name in (*seen, ".release.12.tmp", ".tmpAb12"))
    assert not any(is_temporary(name) for name in (".a.tmp", "a.1.tmp", "._a.12.tmp.json", ".DS_Store"))


TEXT = 'x = "ä"\r\ny = 1\n'


@pytest.mark.parametrize(
    "data", [TEXT.encode(), TEXT.encode("utf-8-sig"), TEXT.encode("utf-16"), b"\xfe\xff" + TEXT.encode("utf-16-be")]
)
def test_text_is_read_as_editors_save_it(tmp_path, data):
    (tmp_path / "x").write_bytes(data)
    assert read_text(tmp_path / "x") == TEXT


def test_what_is_no_text_or_cannot_be_read_is_an_input_error(tmp_path):
    (tmp_path / "x").write_bytes(TEXT.encode("latin-1"))
    with pytest.raises(InputError, match="UTF-8"):
        read_text(tmp_path / "x")
    for path in (tmp_path, tmp_path / "none", tmp_path / "x" / "y"):
        for read in (read_text, read_json):
            with pytest.raises(InputError):
                read(path)


def test_a_lock_needs_room(tmp_path, monkeypatch):
    def full(*given, **named):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("builtins.open", full)
    with pytest.raises(DiskFullError, match=r"\.lock"), study_lock(tmp_path):
        pass
