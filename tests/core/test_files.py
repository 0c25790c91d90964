"""Files and folders that are whole or absent, and paths that stay inside."""

from __future__ import annotations

import errno
import os

import pytest

from unpersonal.core.errors import DiskFullError, InputError
from unpersonal.core.files import atomic_folder, atomic_path, read_json, safe_join, write_json
from unpersonal.core.tensors import create_array


def test_a_file_is_whole_or_absent(tmp_path):
    target = tmp_path / "a" / "b.json"
    write_json(target, {"x": 1})
    with pytest.raises(RuntimeError), atomic_path(target) as temporary:
        temporary.write_text("half")
        raise RuntimeError
    assert read_json(target) == {"x": 1}
    with pytest.raises(RuntimeError), atomic_folder(tmp_path / "folder") as temporary:
        (temporary / "x").write_text("half")
        raise RuntimeError
    with pytest.raises(RuntimeError), create_array(tmp_path / "x.npy", (4,), "float32"):
        raise RuntimeError
    assert sorted(p.name for p in tmp_path.rglob("*")) == ["a", "b.json"]
    with pytest.raises(ValueError):
        write_json(target, {"x": float("nan")})


@pytest.mark.parametrize("write", [atomic_path, atomic_folder])
def test_a_full_disk_leaves_what_was_there(tmp_path, write):
    (tmp_path / "target").mkdir()
    (tmp_path / "target" / "old").write_text("old")
    with pytest.raises(DiskFullError, match="room"), write(tmp_path / "target"):
        raise OSError(errno.ENOSPC, "No space left on device")
    assert [p.name for p in tmp_path.rglob("*")] == ["target", "old"]


@pytest.mark.parametrize("name", ["../x", "/etc/passwd", "a/../../x", "a\\..\\x", "a\x00b"])
def test_paths_stay_inside(tmp_path, name):
    with pytest.raises(InputError):
        safe_join(tmp_path, name)


def test_a_link_that_leads_out_is_refused(tmp_path):
    (tmp_path / "in").mkdir()
    os.symlink("/", tmp_path / "in" / "out")
    with pytest.raises(InputError):
        safe_join(tmp_path / "in", "out/etc")
