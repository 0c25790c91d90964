from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import tomlkit

from benchmarks.generator import head, line, main
from benchmarks.variants import EXTRAS, all_variants, derived, settings_of, written
from tests.studies import new_study
from unpersonal.core.errors import InputError
from unpersonal.phantom import write_phantom
from unpersonal.study import Study


def test_a_variant_is_a_condition_and_what_is_added_to_it() -> None:
    assert settings_of("centroid-5") == {
        "diffusion.augment": 0.0,
        "features.condition": "centroid",
        "features.k_same": 5,
    }
    assert settings_of("label+augmented+shards") == {
        "features.condition": "label",
        **EXTRAS["augmented"],
        **EXTRAS["shards"],
    }
    assert len(all_variants()) == len(set(map(str, map(settings_of, all_variants())))) == 10


@pytest.mark.parametrize("name", ["", "centroid", "augmented", "label+", "label+feature"])
def test_what_is_no_variant_is_refused(name: str) -> None:
    with pytest.raises(InputError, match="No variant"):
        settings_of(name)


def test_settings_are_laid_over_and_places_hold_from_any_folder(tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    toml = 'seed = 3\n[cohort]\nimages = "images"\n[diffusion]\nimages = 5\nstart_from = "phantom"\n'
    found = tomlkit.parse(written(toml, {"diffusion.images": 7, "seed": 4, "features.condition": "label"}, tmp_path))
    assert found == {
        "seed": 4,
        "cohort": {"images": str(tmp_path / "images")},
        "diffusion": {"images": 7, "start_from": "phantom"},
        "features": {"condition": "label"},
    }


@pytest.mark.slow
def test_what_stays_fresh_is_linked_and_the_base_is_left_as_it_is(tmp_path: Path) -> None:
    write_phantom(tmp_path / "phantoms", subjects=90, seed=0, size=32)
    base = Study.open(new_study(tmp_path / "base", tmp_path / "phantoms", {}))
    base.run(until="encode")
    before = {path: path.read_bytes() for path in base.path.rglob("*") if path.is_file()}
    other = derived(base.path, tmp_path / "other", {"features.condition": "label"})
    assert [state.word for state in other.states("features").values()] == ["fresh", "fresh", "missing"]
    assert (other.path / "store" / "latents.npy").samefile(base.path / "store" / "latents.npy")
    assert derived(base.path, other.path, {}).config.features.condition == "label"
    people = derived(base.path, tmp_path / "people", {"seed": base.config.seed + 1})
    assert people.states("encode")["encode"].word == "missing"
    people.run(until="encode")
    assert before == {path: path.read_bytes() for path in base.path.rglob("*") if path.is_file()}


def test_a_wrong_name_is_told_before_anything_is_trained(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "study.toml").write_text('seed = 0\n[cohort]\nimages = "images"\n', encoding="utf-8")
    assert main([str(tmp_path), "--out", str(tmp_path / "rows.jsonl"), "--variant", "label", "none"]) == 2
    assert "No variant: 'none'" in capsys.readouterr().err
    assert not (tmp_path / "rows.work").exists()


def row(**volumes: Any) -> dict[str, Any]:
    made = {
        "match_rate": [0.3, 0.2, 0.4],
        "mixtures": 0.25,
        "others": 0.05,
        "metrics": dict.fromkeys(("irs", "irs_lower", "irs_upper", "fid_excess", "fid_excess_lower"), 0.5)
        | {"fid_excess_upper": None},
        "stage_seconds": {"diffusion": 60.0, "judges": None, "synthesis": 30.0},
    }
    return {"variant": "label", "seed": 1, "generator": made, **volumes}


def test_a_line_has_a_cell_for_every_head_where_nothing_passed_too() -> None:
    audit = {
        "seconds": 60.0,
        "left": [1, 2],
        "membership": [0.5, 0.4, 0.6],
        "primary": {"membership": {"attack": "pixels"}},
        "verdict": "pass",
    }
    found = row(**{"1x": {"audit": audit, "utility": {"seconds": 0.0, "gap": [0.01, 0.02]}}})
    text = line(found, ("1x", "3x"))
    assert text.count("|") == head(("1x", "3x")).splitlines()[0].count("|")
    assert "0.050 (0.200, 0.400)" in text and "0.500 (0.400, 0.600) pixels, pass" in text and "nothing passed" in text
    assert "0.0 |" not in text.split("nothing passed")[0] and text.endswith("| 1.0, not known, 0.5, 1.0 |")
