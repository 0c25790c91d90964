"""What was done to the line ends of a text is told exactly; any other change is none of that."""

from __future__ import annotations

import hashlib

import pytest

from unpersonal.release.line_ends import BOM, line_end_damage

TEXT = b"file,label\nimg-000001.png,a\n"
DIGEST = hashlib.sha256(TEXT).hexdigest()
CASES = {
    "CRLF instead of LF": TEXT.replace(b"\n", b"\r\n"),
    "CR instead of LF": TEXT.replace(b"\n", b"\r"),
    "(BOM) was put before it": BOM + TEXT,
    "last newline is missing": TEXT[:-1],
    "newlines were added": TEXT + b"\n\n",
    "UTF-16": TEXT.decode().encode("utf-16"),
    "(BOM) was put before it and its line ends are CRLF": BOM + TEXT.replace(b"\n", b"\r\n"),
    "(git or an editor on Windows) and its last newline is missing": TEXT[:-1].replace(b"\n", b"\r\n"),
}


@pytest.mark.parametrize(("words", "data"), CASES.items(), ids=CASES)
def test_each_damage_has_its_words(words: str, data: bytes) -> None:
    assert words in line_end_damage(data, DIGEST)


@pytest.mark.parametrize("data", [TEXT.replace(b"a", b"b"), b"", b"\xff\xfe\x00", TEXT.replace(b"\n", b" ")])
def test_any_other_change_is_none(data: bytes) -> None:
    assert line_end_damage(data, DIGEST) == ""
