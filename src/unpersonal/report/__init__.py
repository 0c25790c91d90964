"""One self-contained page per study (report.html), and one that must not leave the building (private.html)."""
