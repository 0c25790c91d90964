"""What git and editors do to a text that nobody meant to change: line ends, a byte order mark, the last newline."""

from __future__ import annotations

import hashlib

BOM = b"\xef\xbb\xbf"
KEPT = "keep the bytes: in git `* -text` in .gitattributes, else send the zip"


def line_end_damage(data: bytes, digest: str) -> str:
    """In words how a text differs from the one with the SHA-256 `digest`, where that is nothing but its line ends and
    what is about them; empty where more was changed."""
    words = []
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        try:
            data = data.decode("utf-16").encode("utf-8")
        except UnicodeDecodeError:
            return ""
        words.append("saved as UTF-16")
    if data.startswith(BOM):
        data = data.removeprefix(BOM)
        words.append("a byte order mark (BOM) was put before it")
    if b"\r\n" in data:
        data = data.replace(b"\r\n", b"\n")
        words.append("its line ends are CRLF instead of LF (git or an editor on Windows)")
    if b"\r" in data:
        data = data.replace(b"\r", b"\n")
        words.append("its line ends are CR instead of LF")
    if hashlib.sha256(data).hexdigest() == digest:
        return " and ".join(words)
    one = data.rstrip(b"\n") + b"\n"
    if hashlib.sha256(one).hexdigest() != digest:
        return ""
    last = "newlines were added at its end" if len(one) < len(data) else "its last newline is missing"
    return " and ".join([*words, last])
