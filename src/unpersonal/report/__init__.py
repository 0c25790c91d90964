"""One self-contained HTML page per study (report.html), and the page that must not leave the building (private.html)."""
