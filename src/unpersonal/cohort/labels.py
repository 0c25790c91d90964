"""Named label schemes."""

from __future__ import annotations

# label columns of the public ChestX-ray8 lists, in their order
CHEST8 = (
    "No Finding",
    "Atelectasis",
    "Cardiomegaly",
    "Consolidation",
    "Edema",
    "Pleural Effusion",
    "Pneumonia",
    "Pneumothorax",
)
