"""`python -m unpersonal`."""

from .cli import app

app()
