"""A chained ledger survives what can happen to a process and its disk, and notices what somebody did to it."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from unpersonal.core.appended import Appended
from unpersonal.core.chained import GENESIS, Chained
from unpersonal.core.errors import InputError


def ledger(folder: Path, count: int = 0) -> Chained:
    found = Chained(folder / "book.jsonl", "sayings")
    for number in range(count):
        with found.open() as book:
            book.add({"event": "said", "number": number})
    return found


def numbers(found: Chained) -> list[int]:
    return [entry["number"] for entry in found.read().entries if entry["event"] == "said"]


def test_lines_are_chained_and_read_again(tmp_path):
    book = ledger(tmp_path, 3)
    entries = book.read().entries
    assert numbers(book) == [0, 1, 2]
    assert [entry["previous"] for entry in entries] == [GENESIS, entries[0]["hash"], entries[1]["hash"]]
    assert ledger(tmp_path / "none").read().entries == ()
    assert not (tmp_path / "none").exists()


def test_a_last_line_that_is_torn_anywhere_is_whole_again(tmp_path):
    book = ledger(tmp_path, 3)
    whole = book.path.read_bytes()
    start = whole[:-1].rindex(b"\n") + 1
    for cut in (*range(start, len(whole), 37), len(whole) - 1):
        book.path.write_bytes(whole[:cut])
        # whoever reads before it is mended sees it already
        assert numbers(book) == [0, 1, 2], cut
        with book.open() as opened:
            assert "torn" in opened.mended and opened.entries[-1]["number"] == 2
        assert book.path.read_bytes() == whole


def test_a_kill_before_the_line_and_after_the_journal_loses_nothing(tmp_path, monkeypatch):
    book = ledger(tmp_path, 2)

    def killed(self: Appended, line: bytes) -> None:
        os.write(self._stream.fileno(), line[:20])
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(Appended, "add", killed)
        ledger(tmp_path, 1)
    assert numbers(book) == [0, 1, 0]
    with book.open() as opened:
        opened.add({"event": "said", "number": 9})
    assert numbers(book) == [0, 1, 0, 9] and book.read().pending is None


def test_a_fragment_that_nobody_promised_is_told_kept_and_no_line(tmp_path):
    book = ledger(tmp_path, 2)
    with open(book.path, "ab") as stream:
        stream.write(b'{"event": "said", "numb')
    assert book.read().torn.startswith('{"event"') and numbers(book) == [0, 1]
    with book.open() as opened:
        assert "nobody had been told" in opened.mended
        opened.add({"event": "said", "number": 2})
    assert numbers(book) == [0, 1, 2]
    assert [entry["torn"] for entry in book.read().entries if entry["event"] == "mended"] == ['{"event": "said", "numb']


def broken(name: str, book: Chained) -> None:
    """Do to a ledger of four lines what `name` says."""
    lines = book.path.read_bytes().splitlines(keepends=True)
    changed = {
        "altered": lambda: [lines[0], lines[1].replace(b'"number": 1', b'"number": 7'), *lines[2:]],
        "taken out": lambda: [lines[0], *lines[2:]],
        "first taken out": lambda: lines[1:],
        "last two gone": lambda: lines[:2],
        "emptied": lambda: [],
        "swapped": lambda: [lines[1], lines[0], *lines[2:]],
        "repeated": lambda: [*lines, lines[-1]],
        "no JSON": lambda: [lines[0], b"nonsense\n", *lines[2:]],
        "an empty line": lambda: [lines[0], b"\n", *lines[1:]],
        "another's last line": lambda: [*lines[:3], json.dumps({**json.loads(lines[3]), "x": 1}).encode() + b"\n"],
    }
    if name == "removed":
        book.path.unlink()
    elif name == "journal broken":
        book.journal.write_text("{")
    elif name == "journal of another":
        other = Chained(book.path.parent / "other" / book.path.name, "sayings")
        with other.open() as opened:
            opened.add({"event": "said", "number": 99})
        book.journal.write_bytes(other.journal.read_bytes())
    else:
        book.path.write_bytes(b"".join(changed[name]()))


@pytest.mark.parametrize(
    "name",
    [
        *("altered", "taken out", "first taken out", "last two gone", "emptied", "swapped", "repeated", "no JSON"),
        *("an empty line", "another's last line", "removed", "journal broken", "journal of another"),
    ],
)
def test_what_somebody_did_to_a_ledger_is_an_error_and_never_a_shorter_one(tmp_path, name):
    book = ledger(tmp_path, 4)
    broken(name, book)
    for use in (book.read, lambda: book.open().__enter__()):
        with pytest.raises(InputError, match=r"sayings .*backup"):
            use()


def test_a_ledger_without_its_journal_is_read_as_it_is(tmp_path):
    book = ledger(tmp_path, 2)
    book.journal.unlink()
    assert numbers(book) == [0, 1]
    ledger(tmp_path, 1)
    assert numbers(book) == [0, 1, 0] and book.journal.is_file()


def test_a_full_disk_adds_nothing_and_says_so(tmp_path, monkeypatch):
    book = ledger(tmp_path, 1)
    before = book.path.read_bytes()
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", lambda _: (_ for _ in ()).throw(OSError(28, os.strerror(28))))
        with pytest.raises(InputError, match="no room"), book.open() as opened:
            opened.add({"event": "said", "number": 1})
    assert book.path.read_bytes() == before
