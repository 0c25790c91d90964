"""Memory that is freed stays with the process: on the CPU a page fault per 4 KB costs a tenth of a training step."""

from __future__ import annotations

import ctypes
import sys

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3
"""Options of glibc's `mallopt`."""


def keep_freed_memory(limit: int = 2**30) -> bool:
    """Let malloc keep up to `limit` freed bytes instead of giving them back at once; True where it can.

    Without it glibc returns the activations' memory after every backward pass and asks for it again in the next.
    Affects the whole process, speed and resident memory only, never a result; outside glibc it only returns False.
    """
    if not sys.platform.startswith("linux"):
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError):
        return False
    return bool(mallopt(M_MMAP_THRESHOLD, limit)) and bool(mallopt(M_TRIM_THRESHOLD, limit))
