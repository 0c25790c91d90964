"""Whether flagged images are read, apart from the reader, which is heavy."""

from __future__ import annotations

from typing import Literal, get_args

Use = Literal["auto", "always", "never"]
USES: tuple[str, ...] = get_args(Use)
