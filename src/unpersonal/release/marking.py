"""The mark of every released picture: one text chunk that says, for machines, that a trained algorithm made it.

The chunk is an XMP packet in iTXt, as the PNG specification (third edition, 11.3.3.4 and `XML:com.adobe.xmp`) and XMP
part 3 have it, with the property DigitalSourceType of the IPTC Photo Metadata Standard. Its bytes are the same in every
picture, so that nothing else can be said in it.
"""

from __future__ import annotations

import struct
import zlib

CHUNK = b"iTXt"
SIGNED = b"caBX"
"""The chunk of a C2PA manifest, see `provenance`; where there is one it stands between the header and the mark."""
DIGITAL_SOURCE_TYPE = "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"
"""The IPTC code of media that an algorithm made which learnt from sampled content."""
XMP = (
    '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>'
    '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
    '<rdf:Description rdf:about="" xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/">'
    f"<Iptc4xmpExt:DigitalSourceType>{DIGITAL_SOURCE_TYPE}</Iptc4xmpExt:DigitalSourceType>"
    '</rdf:Description></rdf:RDF></x:xmpmeta><?xpacket end="r"?>'
)
MARK = b"XML:com.adobe.xmp\0" + b"\0\0" + b"\0\0" + XMP.encode("utf-8")
"""Body of the chunk: keyword; not compressed; no language, no translated keyword; the packet."""
HEADER_END = 8 + 12 + 13
"""Bytes of the signature and the header, after which the mark stands."""


def chunk(kind: bytes, body: bytes) -> bytes:
    """A PNG chunk: length, kind, body, checksum."""
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def mark_problems(kinds: list[bytes], bodies: list[bytes], *, signed: bool = False) -> list[str]:
    """Why the chunks of a picture, in order, do not hold the mark once, word for word, right after the header, or after
    the manifest of one that is to be `signed`.
    """
    if signed and [place for place, kind in enumerate(kinds) if kind == SIGNED] != [1]:
        return ["not one C2PA manifest, after the header"]
    places = [place for place, kind in enumerate(kinds) if kind == CHUNK]
    if not places:
        return ["no mark that says it is synthetic"]
    if len(places) > 1:
        return ["a mark or another text twice"]
    if bodies[places[0]] != MARK:
        return [f"another text than the mark in its {CHUNK.decode()} chunk"]
    return [] if places == [1 + signed] else ["the mark in another place than after the header"]
