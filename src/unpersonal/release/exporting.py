"""Exporting a release: check it, write it in another form, and send card, evidence and terms along."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ..cohort.soft_labels import FILE, from_csv
from ..core.errors import InputError
from ..core.figures import Figures
from ..core.files import atomic_folder, write_json
from ..core.hashing import sha256_file
from ..core.places import resolved
from .compared import MANIFEST, Manifest, load_manifest
from .exports import FORMS, Content, Image, Written
from .signature import NO_TRUST, Trust
from .verify import open_release, refuse_unless_whole

NOTE, CARD, RELEASE_MANIFEST = "export.json", "README.md", "release-manifest.json"
OF_THE_FOLDER = ("labels.csv", "metadata.csv", "croissant.json", FILE)
"""Files that describe the release as a folder of PNGs: an export has its own, or cannot have them."""
MODALITIES = (
    *("BI", "BMD", "CR", "CT", "DMS", "DX", "ECG", "ES", "GM", "IO", "IVOCT", "IVUS", "LS", "MG", "MR", "NM", "OAM"),
    *("OCT", "OP", "OPM", "OPT", "OPTBSV", "OT", "PT", "PX", "RF", "SM", "TG", "US", "XA", "XC"),
)
"""Defined terms of Modality (DICOM PS3.3 C.7.3.1.1.1) whose objects are pictures."""


@dataclass(frozen=True, kw_only=True)
class ExportFigures(Figures):
    """What was written: the form, images, files and their size together, and the release that it was made of."""

    form: str
    images: int
    files: int
    bytes: int
    manifest_sha256: str


def export_release(
    release: Path, form: str, out: Path, *, modality: str = "OT", trust: Trust = NO_TRUST
) -> ExportFigures:
    """Write the release at `release`, a folder or its zip, to the new folder `out` in `form`, a name of `FORMS`.

    It is checked first and refused as `unpersonal verify` refuses it. `out` is whole or absent, and one that exists is
    an `InputError`. The same release gives the same bytes. export.json holds hashes of every other file, and of the
    release's manifest.json, which travels along as release-manifest.json.
    """
    writer = FORMS.get(form, where="--to")
    if modality not in MODALITIES:
        how = f"use one of {', '.join(MODALITIES)}"
        raise InputError(f"There is no modality {modality!r} of pictures", where="--modality", how=how)
    _refuse_place(release, out)
    with open_release(release, trust) as (root, found):
        refuse_unless_whole(found, str(release))
        if found.unchecked:
            raise InputError(
                f"The release could not be checked wholly: {'; '.join(found.unchecked)}",
                where=str(release),
                how="pip install 'unpersonal[sign]'",
            )
        content = _content(root, modality)
        with atomic_folder(out) as folder:
            written = writer.write(content, folder)
            _send_along(root, folder, form, content, written)
            files = _files(folder)
            of = {"manifest_sha256": content.manifest_sha256}
            note = {"format": "unpersonal-export", "format_version": "1", "form": form, "release": of}
            write_json(folder / NOTE, {**note, "images": len(content.images), "files": files})
            size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    return ExportFigures(
        form=form, images=len(content.images), files=len(files) + 1, bytes=size, manifest_sha256=content.manifest_sha256
    )


def _refuse_place(release: Path, out: Path) -> None:
    """An `InputError` where something is at `out` already, or `out` would lie in the release."""
    if os.path.lexists(out):
        raise InputError(
            "There is something already where the export should go", where=str(out), how="name a new folder"
        )
    place, inside = resolved(out), resolved(release)
    if place.is_relative_to(inside):
        raise InputError(
            "The export would lie in the release and alter it", where=str(out), how="name a folder elsewhere"
        )


def _content(root: Path, modality: str) -> Content:
    """The images of a release that was checked, in the order of labels.csv."""
    manifest = load_manifest(root)
    text = (root / "labels.csv").read_text(encoding="utf-8")
    rows = list(csv.reader(io.StringIO(text, newline="")))[1:]
    told = _told(root, manifest)
    images = tuple(
        Image(
            stem=Path(name).stem,
            path=root / "images" / name,
            sha256=sha256_file(root / "images" / name),
            labels=tuple(part for part in label.split("|") if part),
            probabilities=told.get(name),
        )
        for name, label in sorted(rows)
    )
    if not images:
        raise InputError("The release has no images", where=str(root), how="nothing can be exported")
    classes = sorted({name for image in images for name in image.labels})
    return Content(images, tuple(classes), sha256_file(root / MANIFEST), modality)


def _told(root: Path, manifest: Manifest) -> dict[str, dict[str, float]]:
    """Class probabilities by file name; none where the release has none."""
    if FILE not in manifest.files:
        return {}
    names, soft = from_csv((root / FILE).read_text(encoding="utf-8"))
    rows = (soft.thousandths / 1000).tolist()
    return {name: dict(zip(soft.classes, row, strict=True)) for name, row in zip(names, rows, strict=True)}


def _send_along(root: Path, folder: Path, form: str, content: Content, written: Written) -> None:
    """Card, evidence, terms and whatever else the release says in words, and its manifest."""
    for name in load_manifest(root).files:
        if name.startswith("images/") or name in (*OF_THE_FOLDER, CARD):
            continue
        target = folder / name
        if target.exists():
            raise ValueError(f"the form {form} wrote {name}, which the release has as well")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes((root / name).read_bytes())
    (folder / RELEASE_MANIFEST).write_bytes((root / MANIFEST).read_bytes())
    card = (root / CARD).read_text(encoding="utf-8")
    (folder / CARD).write_bytes(exported_card(card, form, content.manifest_sha256, written).encode("utf-8"))


def exported_card(card: str, form: str, manifest_sha256: str, written: Written) -> str:
    """The card of a release, which loaders shall read as that of an export, and a section on what this folder is."""
    head, body = _split(card)
    files = [f'  - "{pattern}"' for pattern in written.data_files]
    configs = ["configs:", "- config_name: default", "  data_files:", *files]
    kept = [*_without(head, ("configs", "dataset_info")), *configs]
    return (
        "---\n" + "\n".join(kept) + "\n---\n" + body.rstrip("\n") + "\n\n## This export\n\n"
        f"This folder is the release in another form ({form}), made by `unpersonal export`. The release has a"
        f" `manifest.json` with the SHA-256 `{manifest_sha256}`; it is here as `{RELEASE_MANIFEST}`. What the card says"
        f" of files is about that release. `{NOTE}` lists the files of this folder with their hashes. {written.how}\n"
    )


def _split(card: str) -> tuple[list[str], str]:
    """Lines of the YAML head of a card, none where it has no head, and what follows."""
    lines = card.split("\n")
    if lines[0] != "---" or "---" not in lines[1:]:
        return [], card
    end = lines.index("---", 1)
    return lines[1:end], "\n".join(lines[end + 1 :])


def _without(head: list[str], keys: tuple[str, ...]) -> Iterator[str]:
    """The lines of a YAML head without the top-level `keys` and all that belongs to them."""
    dropping = False
    for line in head:
        if line[:1] not in (" ", "-", "#", ""):
            dropping = line.split(":")[0].strip() in keys
        if not dropping:
            yield line


def _files(folder: Path) -> dict[str, dict[str, object]]:
    """Size and SHA-256 of every file, by name."""
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    return {
        path.relative_to(folder).as_posix(): {"bytes": path.stat().st_size, "sha256": sha256_file(path)}
        for path in paths
    }


def describe(figures: ExportFigures) -> str:
    """A sentence for whoever exported."""
    return (
        f"{figures.images:,} images in {figures.files:,} files ({figures.bytes / 2**20:,.1f} MiB), of the release with "
        f"the manifest {figures.manifest_sha256}"
    )
