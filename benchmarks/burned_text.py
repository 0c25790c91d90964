"""How much of the text that is written into radiographs the search finds, and how much of it the reader reads.

`python -m benchmarks.burned_text [--read | --cost]`. Dates, names and numbers are drawn on phantoms, and on the
radiographs of Kermany et al. where UNPERSONAL_KERMANY names their zip: one thing is varied at a time, the rest stays as
`USUAL` says. Without text, the same pictures give the false alarms. With `--read` every image that the search names
goes to the optional reader. `--cost` tells instead what the search costs, in processor time of one core.
"""

from __future__ import annotations

import argparse
import io
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from unpersonal.images.archives import open_archive
from unpersonal.images.burned_text import GLYPHS, text_score, text_scores
from unpersonal.images.formats import decode_pictures
from unpersonal.images.ingest import TEXT_SIDE, TOGETHER, Decoder
from unpersonal.images.picture import DecodeOptions, Picture
from unpersonal.images.preprocess import PreprocessConfig
from unpersonal.images.text_reader import Reader, judge
from unpersonal.phantom import phantom_cohort

TEXTS = ("DOE JOHN", "1970-01-31", "PORTABLE", "ID 482913", "Smith, A.", "14:05:59")
MARKERS = ("L", "R")
DEJAVU = ("DejaVuSans.ttf", "DejaVuSansMono-Bold.ttf")


@dataclass(frozen=True)
class Writing:
    """How a text is drawn: height of the font in pixels, degrees, place, grey of ink and of a box (None: no box)."""

    size: int = 14
    angle: float = 0.0
    place: str = "corner"
    ink: int = 255
    box: int | None = None
    font: str = ""


USUAL = Writing()
"""White, without a box, in a corner, level."""


def write(image: np.ndarray, text: str, how: Writing, corner: int = 0) -> np.ndarray:
    """A copy of uint8 [H, W] with `text` on it; `corner` 0..3 chooses among the four corners or borders."""
    font = ImageFont.truetype(how.font, how.size) if how.font else ImageFont.load_default(how.size)
    left, top, right, bottom = map(int, ImageDraw.Draw(Image.new("L", (1, 1))).textbbox((0, 0), text, font=font))
    mask = Image.new("L", (right - left + 6, bottom - top + 6), 0)
    ImageDraw.Draw(mask).text((3 - left, 3 - top), text, fill=255, font=font)
    ground = Image.new("L", mask.size, 255)
    turned = [part.rotate(how.angle, Image.Resampling.BICUBIC, expand=True) for part in (mask, ground)]
    picture = Image.fromarray(image)
    space = picture.width - turned[0].width, picture.height - turned[0].height
    share = {
        "corner": (corner % 2, corner // 2),
        "border": ((0.5, 0.0), (0.5, 1.0), (0.0, 0.5), (1.0, 0.5))[corner],
        "centre": (0.5, 0.5),
    }[how.place]
    at = tuple(round(4 + part * (free - 8)) if free > 8 else free // 2 for part, free in zip(share, space, strict=True))
    if how.box is not None:
        picture.paste(how.box, at, turned[1])
    picture.paste(how.ink, at, turned[0])
    return np.asarray(picture)


def _has(font: str) -> bool:
    """Whether the machine has a font."""
    try:
        ImageFont.truetype(font, 10)
    except OSError:
        return False
    return True


VARIED: dict[str, tuple[tuple[str, Writing], ...]] = {
    "height of the font": tuple((f"{size} px", replace(USUAL, size=size)) for size in (6, 8, 10, 12, 14, 20, 28, 40)),
    "in the centre": tuple(
        (f"{size} px, centre", replace(USUAL, size=size, place="centre")) for size in (8, 10, 14, 20)
    ),
    "angle": tuple((f"{angle}°", replace(USUAL, angle=angle)) for angle in (-10, 10, 90, 180, 270)),
    "ink": (
        ("white on a black box", replace(USUAL, box=0)),
        ("black on a white box", replace(USUAL, ink=0, box=255)),
        ("grey 180 on a box of 60", replace(USUAL, ink=180, box=60)),
        ("grey 90 on a box of 40", replace(USUAL, ink=90, box=40)),
        ("black on the picture", replace(USUAL, ink=0)),
        ("grey 200 on the picture", replace(USUAL, ink=200)),
        ("grey 128 on the picture", replace(USUAL, ink=128)),
    ),
    "place": (("middle of a border", replace(USUAL, place="border")),),
    "font": tuple((font.removesuffix(".ttf"), replace(USUAL, font=font)) for font in DEJAVU if _has(font)),
}


def main() -> None:
    """Print the share found, and of that the share read, for each way of writing and each kind of picture."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--images", type=int, default=40, help="pictures of each kind")
    parser.add_argument("--read", action="store_true", help="give what was found to the reader")
    parser.add_argument("--cost", action="store_true", help="measure what the search costs instead")
    chosen = parser.parse_args()
    if chosen.cost:
        cost()
        return
    reader = Reader() if chosen.read else None
    pictures = {f"phantoms, {side} px": phantoms(side, chosen.images) for side in (256, 512)}
    if given := os.environ.get("UNPERSONAL_KERMANY"):
        pictures = {"Kermany, 224 px": radiographs(given, chosen.images), **pictures}
    print("found (read of the found)" if reader else "found", "|", " | ".join(pictures))
    for name, ways in VARIED.items():
        print(f"-- {name}")
        for label, how in ways:
            print(f"{label} |", " | ".join(str(measure(images, how, TEXTS, reader)) for images in pictures.values()))
    print("-- false alarms: markers of one letter; no text")
    marked = (measure(images, replace(USUAL, size=24), MARKERS, reader) for images in pictures.values())
    print("L or R, 24 px |", " | ".join(map(str, marked)))
    print("nothing written |", " | ".join(str(count(images, reader)) for images in pictures.values()))


@dataclass(frozen=True)
class Recall:
    """Of `images` pictures with text `found` were found, and of these `read` were read (None: nobody read)."""

    images: int
    found: int
    read: int | None

    def __str__(self) -> str:
        share = f"{self.found / self.images:.2f}"
        return share if self.read is None or not self.found else f"{share} ({self.read / self.found:.2f})"


def measure(images: Sequence[np.ndarray], how: Writing, texts: Sequence[str], reader: Reader | None) -> Recall:
    """Write one of the `texts` on each of the pictures uint8 [H, W], in turn and in all corners, and look for it."""
    return count(
        [write(image, texts[k % len(texts)], how, k // len(texts) % 4) for k, image in enumerate(images)], reader
    )


def count(images: Sequence[np.ndarray], reader: Reader | None) -> Recall:
    """How many of the pictures uint8 [H, W] are suspected, and in how many of these text is read."""
    scores = text_scores([image[None] for image in images])
    found = [image for image, score in zip(images, scores, strict=True) if score >= GLYPHS]
    read = sum(judge(reader.lines(image[None])).kind == "read" for image in found) if reader else None
    return Recall(len(images), len(found), read)


def cost() -> None:
    """Print milliseconds an image of a worker's pass, without and with the search, and of the search alone."""
    files, count, runs = open_archive(Path(os.environ["UNPERSONAL_KERMANY"])), 1200, 8
    names = files.image_names()[:: len(files.image_names()) // count][:count]
    config = PreprocessConfig(size=64)
    decoded = [decode_pictures(files.open_bytes(name), [""], DecodeOptions(), TEXT_SIDE)[0] for name in names]
    pixels = [one.pixels for one in decoded if isinstance(one, Picture)]
    best = dict.fromkeys(("without", "with", "search"), float("inf"))
    for _ in range(runs):
        for kind in best:
            start = time.process_time()
            if kind == "search":
                for at in range(0, len(pixels), TOGETHER):
                    text_scores(pixels[at : at + TOGETHER])
            else:
                decoder = Decoder(files, DecodeOptions(), config, text=kind == "with")
                for _found in decoder.read([(name, ("",)) for name in names]):
                    pass
            best[kind] = min(best[kind], (time.process_time() - start) / count * 1000)
    print(
        f"{count} images, least of {runs} runs in turn, ms an image:",
        ", ".join(f"{k} {v:.3f}" for k, v in best.items()),
    )
    share = {"the search": best["search"], "with decoding at full size": best["with"] - best["without"]}
    print("of a worker's time:", ", ".join(f"{name} {part / best['with']:.1%}" for name, part in share.items()))


def phantoms(side: int, count: int) -> list[np.ndarray]:
    """Phantoms uint8 [H, W]."""
    return list(phantom_cohort(count, 5, side)[0][:count, 0])


def radiographs(given: str, count: int) -> list[np.ndarray]:
    """Radiographs of train people, uint8 [224, 224], in which nothing is found before anything is written.

    The public split's test folder is never looked at.
    """
    archive = open_archive(Path(given))
    names = [name for name in archive.image_names() if "/test/" not in name]
    images: list[np.ndarray] = []
    for name in np.random.default_rng(0).permutation(names):
        image = np.asarray(Image.open(io.BytesIO(archive.open_bytes(str(name)))).convert("L"))
        if not text_score(image[None]):
            images.append(image)
        if len(images) == count:
            break
    return images


if __name__ == "__main__":
    main()
