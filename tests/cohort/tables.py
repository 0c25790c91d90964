"""A table of 60 people with two images each, of which a share is not labelled."""

from __future__ import annotations

import numpy as np
from PIL import Image

from unpersonal.images.config import ImagesConfig
from unpersonal.layouts.config import CohortConfig

SUBJECTS = 60


SMALL = ImagesConfig(size=32)


def write_table(folder, *, bare=lambda subject, visit: subject % 3 == 0 and visit == 1, split=None, text=None):
    """Two images of each of 60 people, labels a and b in turn; `bare` are left blank."""
    rng = np.random.default_rng(0)
    rows = ["image,subject,label" + (",split" if split else "") + (",report" if text else "")]
    for subject in range(SUBJECTS):
        for visit in range(2):
            name = f"{subject:02d}-{visit}.png"
            Image.fromarray(rng.integers(0, 256, (40, 40), dtype=np.uint8)).save(folder / name)
            label = "" if bare(subject, visit) else "ab"[subject % 2]
            more = [split(subject)] if split else []
            more += [text(subject, visit)] if text else []
            rows.append(",".join([name, f"p{subject:02d}", label, *more]))
    (folder / "table.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    return folder / "table.csv"


def config(table, **more):
    return CohortConfig(images=str(table), layout="table", missing="predict", **more)
