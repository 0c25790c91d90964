"""Pictures of a study's pages: `python -m benchmarks.screens STUDY --out docs/img`.

It opens report.html in the browser that is installed (Debian's `chromium`) and takes the first screen of a desk, that
of a telephone, and the pages as they are printed. Nothing is loaded from anywhere.
"""

from __future__ import annotations

import argparse
import io
import shutil
from pathlib import Path
from typing import Any

from PIL import Image

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")
DESK, TELEPHONE = (1280, 900), (390, 844)
"""Width and height in pixels."""
COLOURS = 48
"""Of a picture of a page: so many are enough for words and lines, and a file stays small."""


def browser_path() -> str | None:
    """Where a browser is that can be driven; None where none is installed."""
    return next((found for name in BROWSERS if (found := shutil.which(name))), None)


def launch(playwright: Any) -> Any:
    """The installed browser, without a window."""
    return playwright.chromium.launch(executable_path=browser_path(), args=["--no-sandbox"])


def take(browser: Any, page: Path, out: Path, name: str, *, printed: bool = False) -> list[Path]:
    """`name`.png and `name`-phone.png of a page, and with `printed` `name`.pdf; their paths."""
    out.mkdir(parents=True, exist_ok=True)
    made = []
    for (width, height), end in ((DESK, ""), (TELEPHONE, "-phone")):
        view = browser.new_page(viewport={"width": width, "height": height})
        view.goto(page.resolve().as_uri())
        made.append(out / f"{name}{end}.png")
        save_small(view.screenshot(), made[-1])
        view.close()
    if printed:
        view = browser.new_page()
        view.goto(page.resolve().as_uri())
        made.append(out / f"{name}.pdf")
        view.pdf(path=str(made[-1]), format="A4", print_background=True)
        view.close()
    return made


def save_small(png: bytes, path: Path) -> None:
    """Write a screenshot with few colours."""
    picture = Image.open(io.BytesIO(png)).convert("RGB").quantize(COLOURS, dither=Image.Dither.NONE)
    picture.save(path, optimize=True)


def main() -> None:
    """Write the pictures and print their sizes."""
    from playwright.sync_api import sync_playwright

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("study", type=Path)
    parser.add_argument("--out", type=Path, default=Path("docs/img"))
    parser.add_argument("--pdf", action="store_true", help="also the page as it is printed")
    given = parser.parse_args()
    if browser_path() is None:
        parser.error(f"no browser is installed: one of {', '.join(BROWSERS)} (Debian: apt-get install chromium)")
    with sync_playwright() as playwright:
        browser = launch(playwright)
        for path in take(browser, given.study / "report.html", given.out, "report", printed=given.pdf):
            print(f"{path}: {path.stat().st_size / 1000:.0f} kB")
        browser.close()


if __name__ == "__main__":
    main()
