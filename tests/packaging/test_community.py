"""The files by which a stranger finds whom to cite, whom to tell and what changed."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.packaging.conftest import ROOT
from unpersonal import __version__

FORMS = sorted((ROOT / ".github" / "ISSUE_TEMPLATE").glob("*.yml"))
CITATION = ROOT / "CITATION.cff"
KINDS = {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}
"""Of *Keep a Changelog*."""


def schema_of(path: Path) -> str:
    if path == CITATION:
        return "citation-file-format"
    return "github-issue-config" if path.name == "config.yml" else "github-issue-forms"


def held(path: Path, schema: str) -> subprocess.CompletedProcess[str]:
    words = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", f"vendor.{schema}", str(path)]
    return subprocess.run(words, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("path", [CITATION, *FORMS], ids=lambda path: path.name)
def test_each_is_valid(path: Path) -> None:
    done = held(path, schema_of(path))
    assert done.returncode == 0, done.stdout


def test_a_citation_without_authors_is_none(tmp_path: Path) -> None:
    (tmp_path / "CITATION.cff").write_text("cff-version: 1.2.0\nmessage: cite\ntitle: x\n", encoding="utf-8")
    assert "authors" in held(tmp_path / "CITATION.cff", "citation-file-format").stdout


def test_the_citation_is_of_this_version_and_names_the_paper() -> None:
    text = CITATION.read_text(encoding="utf-8")
    assert f"version: {__version__}\n" in text and "license: Apache-2.0" in text
    assert "2506.17975" in text and "Dombrowski" in text and "Kainz" in text


def test_a_leak_is_reported_privately_and_withdrawn() -> None:
    text = (ROOT / "SECURITY.md").read_text(encoding="utf-8")
    assert "unpersonal withdraw" in text and "private" in text
    forms = "".join(path.read_text(encoding="utf-8") for path in FORMS)
    assert {path.stem for path in FORMS} == {"bug", "wrong_safe", "feature", "config"} and "SECURITY.md" in forms
    named = [path for path in ROOT.glob("*.md") if "SECURITY-CONTACT" in path.read_text(encoding="utf-8")]
    assert [path.name for path in named] == ["SECURITY.md"], "the placeholder stands in one place"


def test_the_links_of_these_pages_lead_somewhere() -> None:
    for name in ("SECURITY.md", "CONTRIBUTING.md", "CHANGELOG.md"):
        links = re.findall(r"\]\(([^)#:]+)[^):]*\)", (ROOT / name).read_text(encoding="utf-8"))
        assert not [link for link in links if not (ROOT / link).exists()], name


def test_the_changelog_has_what_is_unreleased_first_and_known_kinds_alone() -> None:
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    versions = re.findall(r"^## (.*)$", text, re.MULTILINE)
    assert versions[0] == "[Unreleased]"
    assert all(re.fullmatch(r"\[\d+\.\d+\.\d+\] - \d{4}-\d\d-\d\d", version) for version in versions[1:])
    assert set(re.findall(r"^### (.*)$", text, re.MULTILINE)) <= KINDS
