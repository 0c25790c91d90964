"""Bytes of a zip that nobody who unpacks it sees: counted exactly, and none in archives as programs write them."""

from __future__ import annotations

import io
import shutil
import struct
import subprocess
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest

from unpersonal.core.errors import InputError
from unpersonal.images.zip_slack import slack_bytes

FILES = {"r/a.txt": b"alpha " * 50, "r/b/c.png": bytes(range(256)) * 9, "r/empty": b"", "ü.txt": b"umlaut"}
SECRET = b"PatientName=Doe^Jane"


def packed(path: Path, method: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, data in FILES.items():
            archive.writestr(name, data)
    return path


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_python_writes_no_slack(tmp_path: Path, method: int) -> None:
    path = packed(tmp_path / "a.zip", method)
    assert slack_bytes(path) == 0
    with zipfile.ZipFile(path, "a") as archive:
        archive.comment = b"5f" * 20
        archive.mkdir("folder") if hasattr(archive, "mkdir") else archive.writestr("folder/", b"")
    assert slack_bytes(path) == 0


class Pipe(io.RawIOBase):
    """Where nothing can be sought, so that checksums and sizes stand behind the data."""

    def __init__(self) -> None:
        self.data = bytearray()

    def writable(self) -> bool:
        return True

    def write(self, piece: object) -> int:
        self.data += bytes(piece)  # type: ignore[call-overload]
        return len(bytes(piece))  # type: ignore[call-overload]


@pytest.mark.parametrize("zip64", [False, True])
def test_sizes_that_stand_behind_the_data_are_no_slack(tmp_path: Path, zip64: bool) -> None:
    pipe = Pipe()
    with zipfile.ZipFile(pipe, "w", zipfile.ZIP_DEFLATED) as archive:  # type: ignore[arg-type]
        for name, data in FILES.items():
            with archive.open(name, "w", force_zip64=zip64) as stream:
                stream.write(data)
    path = tmp_path / "a.zip"
    path.write_bytes(pipe.data)
    assert slack_bytes(path) == 0


def test_more_files_than_a_plain_archive_can_count(tmp_path: Path) -> None:
    path = tmp_path / "many.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for number in range(65_600):
            archive.writestr(f"{number}", b"")
    assert slack_bytes(path) == 0
    path.write_bytes(SECRET + path.read_bytes())
    assert slack_bytes(path) == len(SECRET)


@pytest.mark.parametrize("program", ["zip", "7z", "git", "jar"])
def test_what_other_programs_write_has_none(tmp_path: Path, program: str) -> None:
    """Those of them that this machine has."""
    folder = tmp_path / "r"
    for name, data in FILES.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    out, git = tmp_path / "a.zip", ["git", "-c", "user.name=a", "-c", "user.email=a@b.c"]
    commands = {
        "zip": [["zip", "-qr", str(out), "."]],
        "7z": [["7z", "a", str(out), "."]],
        "jar": [["jar", "cf", str(out), "."]],
        "git": [
            ["git", "init", "-q"],
            ["git", "add", "."],
            [*git, "commit", "-qm", "a"],
            ["git", "archive", "--format=zip", "-o", str(out), "HEAD"],
        ],
    }
    if shutil.which(program) is None:
        pytest.skip(f"this machine has no {program}")
    for command in commands[program]:
        subprocess.run(command, cwd=folder, check=True, capture_output=True)
    assert slack_bytes(out) == 0


def before(path: Path) -> None:
    path.write_bytes(SECRET + path.read_bytes())


def between(path: Path) -> None:
    """Behind the first entry: all that follow move, the offsets that the directory tells with them."""
    _rebuilt(path, 1)


def before_the_directory(path: Path) -> None:
    _rebuilt(path, len(FILES))


def _rebuilt(path: Path, number: int) -> None:
    """The same entries with `SECRET` before that of this number, or before the directory."""
    with zipfile.ZipFile(path) as archive:
        infos = archive.infolist()
        start = archive.start_dir  # type: ignore[attr-defined]
    data, at = bytearray(path.read_bytes()), [*(info.header_offset for info in infos), start][number]
    data[at:at] = SECRET
    place = start + len(SECRET)
    for info in infos:
        name, extra, comment = struct.unpack_from("<HHH", data, place + 28)
        if info.header_offset >= at:
            struct.pack_into("<L", data, place + 42, info.header_offset + len(SECRET))
        place += 46 + name + extra + comment
    struct.pack_into("<L", data, place + 16, start + len(SECRET))
    path.write_bytes(data)


def in_an_extra_field(path: Path) -> None:
    info = zipfile.ZipInfo("x")
    info.extra = struct.pack("<HH", 0x4D4D, len(SECRET)) + SECRET
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(info, b"x")


def in_a_usual_field(path: Path) -> None:
    """Too long for a time."""
    info, told = zipfile.ZipInfo("x"), SECRET * 4
    info.extra = struct.pack("<HH", 0x5455, len(told)) + told
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(info, b"x")


def in_numbers_of_fields(path: Path) -> None:
    """Empty fields, the numbers of which are letters."""
    info = zipfile.ZipInfo("x")
    info.extra = b"".join(struct.pack("<HH", letter, 0) for letter in SECRET)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(info, b"x")


def in_the_second_of_a_kind(path: Path) -> None:
    info = zipfile.ZipInfo("x")
    info.extra = struct.pack("<HH", 0x5455, 8) + SECRET[:8] + struct.pack("<HH", 0x5455, 8) + SECRET[8:16]
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(info, b"x")


def in_a_folder(path: Path) -> None:
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("folder/", SECRET)


def behind_a_stream(path: Path) -> None:
    """The sizes say that the data are longer than the compressed stream is."""
    body = zlib.compressobj(wbits=-15)
    stream = body.compress(b"x" * 99) + body.flush() + SECRET
    _stored_as(path, stream, 99, zipfile.ZIP_DEFLATED, zlib.crc32(b"x" * 99))


def behind_an_lzma_stream(path: Path) -> None:
    _behind(path, zipfile.ZIP_LZMA)


def behind_a_bzip2_stream(path: Path) -> None:
    _behind(path, zipfile.ZIP_BZIP2)


def _behind(path: Path, method: int) -> None:
    """A stream of zipfile's own, and more behind it."""
    data, other = b"x" * 9_000, io.BytesIO()
    with zipfile.ZipFile(other, "w", method) as archive:
        archive.writestr("x", data)
        size = archive.getinfo("x").compress_size
    start = 30 + len("x")
    _stored_as(path, other.getvalue()[start : start + size] + SECRET, len(data), method, zlib.crc32(data), flags=2)


def behind_what_is_read(path: Path) -> None:
    """The size says that the file is shorter than what the stream holds."""
    body = zlib.compressobj(0, wbits=-15)
    stream = body.compress(b"x" * 99 + SECRET) + body.flush()
    _stored_as(path, stream, 99, zipfile.ZIP_DEFLATED, zlib.crc32(b"x" * 99))


def _stored_as(path: Path, stream: bytes, size: int, method: int, crc: int, flags: int = 0) -> None:
    """Add an entry `x` whose data are `stream`, and whose headers say what is given."""
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(zipfile.ZipInfo("x"), stream)
        info = archive.getinfo("x")
        offset = info.header_offset
        info.compress_type, info.file_size, info.CRC, info.flag_bits = method, size, crc, flags
    data = bytearray(path.read_bytes())
    struct.pack_into("<HH", data, offset + 6, flags, method)
    struct.pack_into("<LLL", data, offset + 14, crc, len(stream), size)
    path.write_bytes(data)


HIDING: list[tuple[Callable[[Path], None], int]] = [
    (before, len(SECRET)),
    (between, len(SECRET)),
    (before_the_directory, len(SECRET)),
    # both headers of the entry have the field, whose number and length count
    (in_an_extra_field, 2 * (len(SECRET) + 4)),
    (in_a_usual_field, 2 * (4 * len(SECRET) + 4)),
    (in_numbers_of_fields, 2 * 4 * len(SECRET)),
    (in_the_second_of_a_kind, 2 * (8 + 4)),
    (in_a_folder, len(SECRET)),
    (behind_a_stream, len(SECRET)),
    (behind_an_lzma_stream, len(SECRET)),
    (behind_a_bzip2_stream, len(SECRET)),
]


@pytest.mark.parametrize(("hide", "count"), HIDING, ids=lambda value: getattr(value, "__name__", ""))
def test_hidden_bytes_are_counted(tmp_path: Path, hide: Callable[[Path], None], count: int) -> None:
    path = packed(tmp_path / "a.zip")
    hide(path)
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None, "who unpacks it sees nothing"
    assert slack_bytes(path) == count


def test_what_a_size_cuts_off_is_counted(tmp_path: Path) -> None:
    path = packed(tmp_path / "a.zip")
    behind_what_is_read(path)
    with zipfile.ZipFile(path) as archive:
        assert archive.read("x") == b"x" * 99
    assert slack_bytes(path) >= len(SECRET)


def test_a_folder_called_otherwise_in_its_own_header(tmp_path: Path) -> None:
    path = packed(tmp_path / "a.zip")
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("folder/", b"")
        offset = archive.getinfo("folder/").header_offset
    data = bytearray(path.read_bytes())
    data[offset + 30 : offset + 37] = b"MRN-08/"
    path.write_bytes(data)
    assert slack_bytes(path) == 7


def test_headers_that_contradict_one_another(tmp_path: Path) -> None:
    path = packed(tmp_path / "a.zip")
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("folder/", b"")
        archive.getinfo("folder/").header_offset = 1_000_000
    with pytest.raises(InputError, match="contradict"):
        slack_bytes(path)
