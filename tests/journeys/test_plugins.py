"""docs/extend.md, as it stands: its package is installed, and a tiny study runs through a plug-in of every kind."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import tomlkit

from tests.studies import LOOSE, PEOPLE, call, change_settings
from unpersonal.phantom import write_phantom
from unpersonal.plugins import REGISTRIES

pytestmark = pytest.mark.slow
PAGE = Path(__file__).parents[2] / "docs" / "extend.md"
NAMES = {
    "layout": "labelled",
    "codec": "blocks",
    "condition": "brightness",
    "encoder": "rows",
    "solver": "euler",
    "network": "tiny",
    "matcher": "pixels",
    "attack": "grey",
    "metric": "spread",
}
SETTINGS = {
    **LOOSE,
    "judges.reidentifier_steps": 100,
    # nor can so few people hold a gate that misses one copy in a hundred at most
    "judges.miss_target": 0.5,
    "judges.false_flag_spend": 0.0,
    "judges.perturbations": ["gamma", "noise"],
}


def blocks() -> dict[str, list[str]]:
    """The blocks of code of the page by the file that their first line names, without that line."""
    found: dict[str, list[str]] = {}
    for block in re.findall(r"^```(?:python|toml)\n(.*?)^```$", PAGE.read_text(), flags=re.MULTILINE | re.DOTALL):
        first, _, rest = block.partition("\n")
        found.setdefault(first.removeprefix("# "), []).append(rest)
    return found


def test_the_page_shows_every_kind_in_blocks_of_thirty_lines():
    assert NAMES.keys() == REGISTRIES.keys()
    for path, parts in blocks().items():
        assert path.startswith("example_plugins/") or path in ("pyproject.toml", "study.toml"), path
        if path.endswith(".py"):
            assert all(len([line for line in part.splitlines() if line.strip()]) <= 30 for part in parts), path


@pytest.fixture(scope="module")
def installed(tmp_path_factory) -> dict[str, str]:
    """The environment of a process that has the package of the page installed."""
    source, target = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("site")
    for path, parts in blocks().items():
        if path != "study.toml":
            (source / path).parent.mkdir(exist_ok=True)
            (source / path).write_text("\n\n".join(parts))
    (source / "example_plugins" / "__init__.py").touch()
    words = ["--quiet", "--no-deps", "--no-build-isolation", "--no-index", "--target", str(target), str(source)]
    subprocess.run([sys.executable, "-m", "pip", "install", *words], check=True)
    paths = [str(target), *filter(None, [os.environ.get("PYTHONPATH")])]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}


def configure(study: Path) -> None:
    """Put the page's study.toml, but for what it says of the policy, and what few people need into a study's own."""
    path = study / "study.toml"
    document = tomlkit.parse(path.read_text())
    shown = tomlkit.parse(blocks()["study.toml"][0]).unwrap()
    shown.pop("policy")
    for table, values in shown.items():
        for key, value in values.items():
            document[table][key] = value
    path.write_text(tomlkit.dumps(document))
    change_settings(study, SETTINGS)


@pytest.fixture(scope="module")
def study(installed, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("plugins")
    write_phantom(folder / "images", subjects=PEOPLE, seed=3, size=32, findings=("No Finding", "Cardiomegaly"))
    words = ("--images", folder / "images", "--layout", "labelled", "--option", "between=_", "--preset", "tiny")
    done = call("init", folder / "study", *words, env=installed)
    assert done.returncode == 0, done.stderr
    configure(folder / "study")
    return folder / "study"


def test_a_study_runs_through_a_plugin_of_every_kind(installed, study):
    done = call("run", study, "--json", env=installed)
    assert done.returncode == 3, done.stderr
    summary = json.loads(done.stdout)
    reasons = " ".join(summary["release"]["reasons"])
    for name in ("tiny", "pixels"):
        assert f"'{name}' of unpersonal-example-plugins 1.0" in reasons, reasons
    assert "'euler'" not in reasons and not (study / "release").exists()
    assert (summary["encode"]["codec"], summary["encode"]["latent"]) == ("blocks", "1x8x8")
    assert (summary["features"]["kind"], summary["features"]["condition"]) == ("rows", "feature+label+brightness")
    assert summary["metrics"]["by_metric"]["spread"]["spread_train"] > 0
    assert "grey" in (study / "audit" / "audit.json").read_text()


def test_the_policy_may_name_them_and_the_evidence_tells_all(installed, study):
    path = study / "study.toml"
    document = tomlkit.parse(path.read_text())
    document["policy"]["plugins"] = tomlkit.parse(blocks()["study.toml"][0]).unwrap()["policy"]["plugins"]
    path.write_text(tomlkit.dumps(document))
    done = call("run", study, "--json", env=installed)
    reasons = json.loads(done.stdout)["release"]["reasons"]
    assert not [reason for reason in reasons if "unpersonal-example-plugins" in reason]
    assert done.returncode == 0, (reasons, done.stderr)
    evidence = json.loads((study / "release" / "evidence.json").read_text())
    told = {(each["kind"], each["name"]) for each in evidence["plugins"]}
    assert told == set(NAMES.items())
    assert {each["version"] for each in evidence["plugins"]} == {"1.0"}
    assert len({each["sha256"] for each in evidence["plugins"]}) == 1 and len(evidence["plugins"][0]["sha256"]) == 64
    assert "limits are looser" in call("verify", study / "release", env=installed).stderr


def test_without_the_package_the_study_says_which_part_is_missing(study):
    done = call("run", study)
    assert done.returncode == 2 and "Traceback" not in done.stderr
    assert "labelled" in done.stderr or "blocks" in done.stderr
