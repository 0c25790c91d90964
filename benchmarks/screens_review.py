"""docs/img/review.png: the review page with a study of invented people, as Chromium shows it.

    python -m benchmarks.screens_review [--out docs/img/review.png]

Everybody on the picture is a phantom. Nothing is trained: the released images are other phantoms of the same
population, and the audit's lists name some of them. Needs Debian's `chromium`, and `playwright` from PyPI.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pandas as pd

from tests.studies import cohort_of, write_candidates, write_study
from unpersonal.core.files import write_json
from unpersonal.phantom import phantom_cohort
from unpersonal.report.review_items import Likeness

PEOPLE, EDGE, LIMIT = 70, 128, 0.9
SIZE = (1280, 940)
CHROMIUM = "/usr/bin/chromium"
SERVER = """
import sys
from pathlib import Path
from unpersonal.report.review_server import serve_review
serve_review(Path(sys.argv[1]), float(sys.argv[2]), opened=lambda link, desk: print(link, flush=True))
"""


def phantom_study(folder: Path) -> Path:
    """A study of invented people, of whose candidates the gate let some pass narrowly."""
    real, subjects, labels = phantom_cohort(PEOPLE, seed=1, size=EDGE)
    drawn = phantom_cohort(PEOPLE, seed=2, size=EDGE)[0]
    cohort = cohort_of(subjects, labels)
    write_study(folder, cohort, real)
    write_candidates(folder, drawn, cohort, released=48)
    path = folder / "candidates" / "ledger.parquet"
    ledger = pd.read_parquet(path)
    alike = Likeness(real, np.ones(len(real), dtype=bool))
    ledger["nearest"] = [alike.nearest(image[None]) for image in drawn]
    ledger["score"] = np.where(ledger["flagged"], 0.93, 0.35 + 0.53 * np.arange(len(ledger)) / len(ledger))
    ledger.to_parquet(path, index=False)
    pairs = [{"train": 4 * row, "synthetic": 5 * row + 1, "distance": 0.71 + 0.02 * row} for row in range(8)]
    exposed = [{"train": 3 * row + 1, "exposure": 9.0 - row} for row in range(6)]
    write_json(folder / "audit" / "private.json", {"worst": [], "pairs": pairs, "exposed": exposed, "copied": []})
    return folder


@contextmanager
def review_of(study: Path) -> Iterator[str]:
    """The link of a review of `study` while a process of its own serves it."""
    words = [sys.executable, "-c", SERVER, str(study), str(LIMIT)]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None
            yield server.stdout.readline().strip()
        finally:
            server.terminate()


def screen(study: Path, out: Path) -> None:
    """Decide on some images by keyboard, as a person would, and write a picture of the page."""
    from playwright.sync_api import expect, sync_playwright

    with review_of(study) as link, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM)
        page = browser.new_page(viewport={"width": SIZE[0], "height": SIZE[1]})
        page.goto(link)
        expect(page.locator("#which")).to_contain_text("Image 1")
        for key in "kkrkkrk":
            page.keyboard.press(key)
        expect(page.locator("#bar")).to_have_js_property("value", 7)
        page.keyboard.press("n")
        page.keyboard.type("same rib shadow as the person beside it")
        page.keyboard.press("Enter")
        expect(page.locator("#said")).to_contain_text("note saved")
        page.keyboard.press("r")
        page.keyboard.press("ArrowLeft")
        expect(page.locator("#verdict")).to_have_text("removed")
        out.parent.mkdir(parents=True, exist_ok=True)
        page.screenshot(path=out)
        browser.close()


def main() -> None:
    """Write the picture."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--out", type=Path, default=Path("docs/img/review.png"))
    out = parser.parse_args().out
    with tempfile.TemporaryDirectory() as folder:
        screen(phantom_study(Path(folder) / "phantom-study"), out)
    print(f"written: {out}")


if __name__ == "__main__":
    main()
