"""DICOM objects that are no pictures of a person, and pictures that were not acquired as such.

PS3.4 B.5 (storage classes), PS3.3 C.7.6.1 (image type).
"""

from __future__ import annotations

import re
from collections.abc import Sequence

STORAGE = "1.2.840.10008.5.1.4.1.1."
NO_PICTURES = {
    "88": "report or key object selection",
    "481": "radiotherapy object (dose, structures, plan, record)",
    "66.4": "segmentation",
    "66.5": "surface segmentation",
    "66.7": "label map segmentation",
    "66.8": "height map segmentation",
    "66": "raw data, registration, fiducials or tracts",
    "67": "real world value mapping",
    "68": "surface scan",
    "30": "parametric map",
    "11": "presentation state",
    "9": "waveform or curve",
    "10": "look-up table",
    "8": "overlay",
    "104": "encapsulated document or model",
    "4.2": "spectroscopy",
    "77.1.5.3": "stereometric relationship",
    "501.3": "threat detection report",
    "501.6": "quadrupole resonance",
    "78": "measurement of the eye",
    "79": "measurement of the eye",
    "80": "measurement of the eye",
    "81": "map of the eye",
    "82": "map of the eye",
    "90": "assessment of content",
    "91": "annotation of slides",
    "129": "curve",
    "131": "structured display",
    "200": "protocol",
    "201": "inventory",
}
"""Parts of SOP class UIDs below `STORAGE`, and what objects of such classes are."""
PICTURES = frozenset(("481.1", "481.23", "481.24"))
"""Those among them that are pictures: radiotherapy images."""
OTHERS = re.compile(r"1\.2\.840\.10008\.(1\.3\.10|5\.1\.1\..*|5\.1\.4\.(33|34|38|39|43|44|45)(\..*)?)")
"""Directories, print and service objects, hanging protocols, palettes, implant templates."""
MODALITIES = {
    "SEG": "segmentation", "RTDOSE": "dose", "RTSTRUCT": "structures", "RTPLAN": "plan", "RTRECORD": "treatment record",
    "SR": "report", "KO": "key object selection", "PR": "presentation state", "REG": "registration",
    "FID": "fiducials", "DOC": "document", "PLAN": "plan", "RWV": "real world value mapping", "ECG": "waveform",
    "EPS": "waveform", "HD": "waveform", "RESP": "waveform", "AU": "audio", "EEG": "waveform", "EMG": "waveform",
    "SMR": "stereometric relationship", "ANN": "annotation", "ASMT": "assessment of content", "M3D": "model",
    "TEXTUREMAP": "texture map", "SRF": "measurement of the eye", "KER": "measurement of the eye",
    "RTINTENT": "prescription", "RTSEGANN": "radiotherapy annotation", "RTRAD": "plan",
}  # fmt: skip
"""Modalities whose objects are no pictures, whatever their class says."""
SECONDARY_CAPTURE = (STORAGE + "7",)
LOCALIZER = re.compile(r"LOCALI[SZ]ER|SCOUT|TOPOGRAM|SCANOGRAM|SURVIEW")
SCOUT_SERIES = re.compile(r"\b(locali[sz]er|loc|scouts?|topograms?|scanograms?|surviews?|survey)\b", re.IGNORECASE)
ACQUIRED_IN_SLICES = frozenset(("CT", "MR", "PT", "NM"))
"""Modalities of which a derived picture was computed from others; of radiographs it was only processed."""


def no_picture(classes: Sequence[str], modality: str) -> str | None:
    """What an object is if it is no picture of a person, by its SOP class UIDs (header and file), else its modality.

    None for a picture, and for classes that are not known: private ones often hold pictures.
    """
    for uid in classes:
        if not uid.startswith(STORAGE):
            if OTHERS.fullmatch(uid):
                return "directory, protocol or template"
            continue
        own = uid[len(STORAGE) :]
        if own in PICTURES:
            continue
        for part, kind in NO_PICTURES.items():
            if own == part or own.startswith(f"{part}."):
                return kind
    return MODALITIES.get(modality.upper())


def sort_of(uid: str, modality: str, image_type: Sequence[str], series: str) -> str:
    """`localizer`, `secondary-capture`, `derived`, or nothing for a picture that was acquired as it is.

    `image_type` are the values of ImageType, `series` the description of the series.
    """
    values = [value.strip().upper() for value in image_type]
    if any(LOCALIZER.search(value) for value in values[2:]) or SCOUT_SERIES.search(series):
        return "localizer"
    if uid in SECONDARY_CAPTURE or uid.startswith(f"{SECONDARY_CAPTURE[0]}."):
        return "secondary-capture"
    derived = values[:1] == ["DERIVED"] and modality.upper() in ACQUIRED_IN_SLICES
    return "derived" if derived or values[1:2] == ["SECONDARY"] else ""
