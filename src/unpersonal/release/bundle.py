"""Writing the release folder: images under meaningless names, labels, evidence, card and manifest."""

from __future__ import annotations

import csv
import hashlib
import hmac
import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..cohort.soft_labels import FILE, SoftLabels, to_csv
from ..core.errors import InputError, PolicyRefused
from ..core.files import atomic_folder
from ..core.hashing import sha256_bytes, sha256_file
from ..synthesis.selected import Selected
from .about import About
from .card import card
from .config import ReleaseConfig
from .croissant import croissant
from .evidence import safe_evidence
from .figures import StudyFigures
from .history import History, content_hash
from .lock import lock_problems, pixel_hash, read_ledger
from .metadata import CROISSANT, METADATA, metadata_csv
from .names import private_names, withhold
from .place import Place, statement
from .png import png_bytes
from .policy import PolicyConfig
from .probabilities import told_in_manifest, unattacked
from .provenance import Credential, load_credential, sign_pictures
from .published import as_released, build_evidence
from .signing import Signer
from .verify import check_release

if TYPE_CHECKING:
    import pandas as pd

FORMAT = "unpersonal-release"
FORMAT_VERSION = "2"
"""2: pictures are marked, and metadata.csv and croissant.json lie beside labels.csv."""


def software_version() -> str:
    """Version of the installed package, `unknown` where it runs from a bare source tree."""
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("unpersonal")
    except PackageNotFoundError:
        return "unknown"


def shuffle_key(study: Path, ledger: pd.DataFrame, seed: int) -> bytes:
    """Secret 32-byte key of the release's order, the same for every run of one study.

    A study seed is small and guessable (often 0), so the key also takes the content hashes of the real images and of
    all candidates, which never leave the building: nobody outside can recompute the order, and through it the sources.
    """
    from ..cohort.table import load_cohort

    digest = hashlib.sha256(f"release order {seed}".encode())
    for value in [*load_cohort(study).table["sha256"], *ledger["sha256"]]:
        digest.update(str(value).encode() + b"\n")
    return digest.digest()


def release_order(images: np.ndarray, key: bytes) -> np.ndarray:
    """Permutation int64 [m]: position in the release -> row of `images` [m,C,H,W], by a keyed hash of the pixels.

    The rows' own order enters for repeated images only, where it cannot be seen.
    """
    tags = [hmac.new(key, pixel_hash(image).encode(), hashlib.sha256).digest() for image in images]
    return np.asarray(sorted(range(len(tags)), key=lambda row: (tags[row], row)), dtype=np.int64)


def image_name(position: int) -> str:
    """Name of the image at `position` (from 0) of the shuffled release."""
    return f"img-{position + 1:06d}.png"


def _labels_csv(labels: Sequence[Sequence[str]]) -> bytes:
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(["file", "label"])
    for position, names in enumerate(labels):
        if any("|" in name for name in names):
            raise InputError(
                "A label contains the character |, which separates the labels of an image",
                where="labels of the cohort",
                how="rename the label",
            )
        writer.writerow([image_name(position), "|".join(names)])
    return stream.getvalue().encode("utf-8")


def _json_bytes(value: object) -> bytes:
    return (json.dumps(value, indent=2, sort_keys=True, allow_nan=False) + "\n").encode("utf-8")


def _write_contents(
    folder: Path,
    images: np.ndarray,
    labels: list[list[str]],
    figures: StudyFigures,
    policy: PolicyConfig,
    evidence: dict[str, object],
    soft: SoftLabels | None,
    told: ReleaseConfig,
    credential: Credential | None,
    signer: Signer | None,
    place: Place,
) -> None:
    """Write every file of the release but its signature; the manifest last, because it lists the others."""
    about = About(
        images=len(images),
        shape=images.shape[1:],
        classes=tuple(sorted({name for names in labels for name in names})),
        figures=figures,
        policy=policy,
        version=software_version(),
        told=told,
        soft=soft is not None,
        several=any(len(row) > 1 for row in labels),
        place=place,
    )
    names = [image_name(i) for i in range(len(images))]
    contents = {f"images/{name}": png_bytes(image, marked=True) for name, image in zip(names, images, strict=True)}
    signers: dict[str, str] = {}
    if credential is not None:
        contents, signers = sign_pictures(contents, credential, about.version)
    contents["labels.csv"] = _labels_csv(labels)
    if soft is not None:
        contents[FILE] = to_csv(soft, names)
    contents[METADATA] = metadata_csv(names, ["|".join(row) for row in labels], soft)
    contents["evidence.json"] = _json_bytes(evidence)
    contents["README.md"] = card(about).encode("utf-8")
    tables = {name: sha256_bytes(contents[name]) for name in (METADATA, "labels.csv", FILE) if name in contents}
    contents[CROISSANT] = _json_bytes(croissant(about, tables, soft.classes if soft else ()))
    manifest = {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "software": {"name": "unpersonal", "version": about.version},
        "images": len(images),
        "shape": [int(side) for side in about.shape],
        "files": {name: {"sha256": sha256_bytes(data), "bytes": len(data)} for name, data in contents.items()},
        **({} if soft is None else {"probabilities": told_in_manifest(soft)}),
        "history": place.told(),
        **({} if signer is None else {"signature": signer.told()}),
        **({"c2pa": signers} if signers else {}),
    }
    contents["manifest.json"] = _json_bytes(manifest)
    (folder / "images").mkdir()
    for name, data in contents.items():
        (folder / name).write_bytes(data)


def _allowed(study: Path, content: str, policy: PolicyConfig) -> Place:
    """Where a release with this content stands; `PolicyRefused` for one too many, or one that was withdrawn."""
    history = History(study)
    place, withdrawn = history.place(content), history.withdrawn()
    if content in withdrawn:
        raise PolicyRefused([f"these very images were released and withdrawn: {withdrawn[content]}"])
    if place.number > policy.max_releases:
        raise PolicyRefused(
            [
                f"this would be release {place.number} of this cohort, and policy.max_releases is {policy.max_releases}"
                ": bounds hold for each release alone, and what several tell together was not audited"
            ]
        )
    return place


def write_release(
    study: Path,
    selected: Selected,
    figures: StudyFigures,
    policy: PolicyConfig,
    shortfalls: list[str],
    *,
    seed: int,
    told: ReleaseConfig | None = None,
) -> Path:
    """Write `study/release/` atomically and return its path; the same study gives the same bytes.

    Every image is looked up in the ledger again (a second lock, see `lock_problems`, with the gate's threshold), and
    the finished folder must pass `verify_release` before it gets its name. `PolicyRefused` if either objects. The
    evidence is reduced to aggregates without cells under 5, and a text that holds a subject or a file of the cohort is
    withheld. The release is noted in the history of its cohort: `PolicyRefused` for one more than the policy allows, or
    for one that was withdrawn; what is new of `shortfalls` is added to them. No file carries a time, a seed, a source
    or the name of an input. What the release is called, and by whom, is `told`, and so is who signs it.
    """
    told = told or ReleaseConfig()
    signer = Signer.of(told, study)
    ledger = read_ledger(study)
    images = np.asarray(selected.images)
    threshold = figures.gate.threshold if figures.gate else None
    problems = lock_problems(images, ledger, threshold, frozenset(selected.dropped))
    if not len(images):
        problems.append("0 images were selected; at least 1 is needed")
    if len(selected.labels) != len(images):
        problems.append(f"{len(selected.labels)} label rows for {len(images)} images")
    problems += unattacked(selected.soft, figures.audit)
    if problems:
        raise PolicyRefused(problems)
    content = content_hash(images, selected.labels, selected.soft)
    place = _allowed(study, content, policy)
    shortfalls += [text] if (text := statement(place)) else []
    figures = as_released(figures, selected.labels)
    evidence = withhold(safe_evidence(build_evidence(figures, policy, shortfalls, place)), private_names(study))
    credential = load_credential(told.c2pa_certificate, told.c2pa_key, study)
    order = release_order(images, shuffle_key(study, ledger, seed))
    with atomic_folder(study / "release") as folder:
        labels = [list(selected.labels[row]) for row in order]
        soft = None if selected.soft is None else selected.soft.only(order)
        _write_contents(folder, images[order], labels, figures, policy, evidence, soft, told, credential, signer, place)
        if signer is not None:
            signer.sign(folder)
        if problems := check_release(folder).faults:
            raise PolicyRefused(problems)
        # noted first: what was noted and not published is published, and counted once, by the next run
        History(study).publish(content, sha256_file(folder / "manifest.json"))
    return study / "release"
