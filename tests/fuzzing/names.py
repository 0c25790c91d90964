"""Names that a careless or hostile writer gives to files, in folders, archives and tables."""

from __future__ import annotations

from random import Random

LONG = "x" * 300
ODD = (
    "", ".", "..", "../../etc/passwd", "/etc/passwd", "//server/share/a.png", "C:\\a.png", "c:/a.png", "C:a.png",
    "a\\b.png", "a/../../b.png", "./a.png", "a//b.png", "a/./b.png", "a.png/", " a.png", "a.png ", "a .png",
    "\ta.png", "a\nb.png", "a\rb.png", "a\0b.png", "\x1b[31ma.png", "\x7f.png", "a\u202egnp.exe.png", "\u200b.png",
    "\ufeffa.png", "\u2028.png", "e\u0301.png", "\xe9.png", "ﬀ.png", "İ.png", "ß.PNG", "\U0001f600.png", "日本語.png",
    "عربي.png", "\ufffe.png", "\udcff\udcfe.png", "\ud800.png", "con.png", "NUL", "aux.png.", "a.PNG", "A.png",
    "a.jpeg.png", ".hidden.png", "__MACOSX/a.png", ".git/a.png", "a,b.png", 'a"b.png', "'a'.png", "a;b.png",
    "a|b.png", "a#frame=1", "a.dcm#frame=1", "x.png#slice=0", "a#frame=01.png", "a#frame=٣", "%2e%2e/a.png",
    "~/a.png", "$HOME/a.png", "-rf", "--help", "*.png", "?.png", "[bold]a[/bold].png", "{0}.png", "%s%n.png", "=1+1",
    "@a", "nan", "None", "null", "True", "0", "1e5", f"{LONG}.png", "/".join(["d"] * 60) + "/a.png",
    f"{LONG[:200]}/{LONG[:200]}.png", "é" * 120 + ".png", "file:///etc/passwd", "http://example.org/a.png",
    "s3://b/a.png",
)  # fmt: skip


def odd_name(rng: Random, like: str = "") -> str:
    """A name from the list, or `like` changed a little; it may hold surrogates, which stand for bytes of no UTF-8."""
    choice = rng.random()
    if not like or choice < 0.5:
        return rng.choice(ODD)
    folder, _, name = like.rpartition("/")
    head = folder + "/" if folder else ""
    if choice < 0.6:
        return like.swapcase()
    if choice < 0.7:
        return head + rng.choice(ODD)
    if choice < 0.8:
        return rng.choice(("../", "/", "C:/", "./", "\\", "a/../", " ", "./../")) + like
    place = rng.randrange(len(name) + 1)
    piece = rng.choice(
        ("\0", "\n", "\udc80", "\u202e", "/", "\\", " ", "#", "..", "é", "\U0001f600", "\t", "%", "'", '"', "\x1b")
    )
    return head + name[:place] + piece + name[place:]


def writable(name: str) -> bool:
    """Whether a file of that name may be written below a folder, and stays there."""
    parts = name.split("/")
    return bool(name) and "\0" not in name and not any(part in ("", ".", "..") or len(part) > 200 for part in parts)
