"""Spaces of generative metrics by name."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.studies import call
from unpersonal import metrics, phantom
from unpersonal.core.errors import InputError
from unpersonal.utility.compare import FolderFigures
from unpersonal.utility.extractor import find_extractor, spellings


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("pictures")
    phantom(root / "real", subjects=16, size=32, seed=1)
    phantom(root / "drawn", subjects=14, size=32, seed=2)
    return root


def test_the_spaces_are_listed_as_they_are_named() -> None:
    assert spellings() == ("closed-form", "file:PATH.safetensors", "hf:MODEL", "ssl")
    assert find_extractor("pca") == find_extractor("closed-form")


@pytest.mark.parametrize(
    ("name", "said"),
    [
        *((name, "closed-form, file:PATH.safetensors, hf:MODEL, ssl") for name in ("taste", "", "HF:x", "inception")),
        *((name, "write closed-form") for name in ("closed-form:3", "pca:", "closed-form:")),
        *((name, "write hf:MODEL") for name in ("hf", "hf:")),
        *((name, "write file:PATH.safetensors") for name in ("file", "file:")),
    ],
)
def test_a_name_that_is_none_is_refused_with_the_list(pictures: Path, name: str, said: str) -> None:
    with pytest.raises(InputError) as refused:
        metrics(pictures / "real", pictures / "drawn", features=name)
    if name.startswith("pca"):
        assert "There is no feature space" in str(refused.value)
    else:
        assert said in refused.value.how and refused.value.where == "features"


@pytest.mark.slow
def test_figures_say_in_which_space_they_are_told(pictures: Path) -> None:
    figures = metrics(pictures / "real", pictures / "drawn", size=32)
    space = figures.to_json()["space"]
    assert (space["name"], space["size"], space["sha256"]) == ("closed-form", 32, None)
    assert space["dimensions"] == min(64, figures.n_train + figures.n_test - 1)
    again = FolderFigures.from_json(json.loads(json.dumps(figures.to_json())), where="here")
    assert again == figures
    told = call("metrics", "--real", pictures / "real", "--synthetic", pictures / "drawn", "--size", "32")
    assert told.returncode == 0 and "name: closed-form" in told.stdout


@pytest.mark.slow
def test_a_plug_in_is_named_beside_ours(pictures: Path, offer: Callable[[str, str, str], None]) -> None:
    code = """
from unpersonal.utility.extractor import Space

class Corner:
    takes = ""

    def size(self, argument):
        return 32

    def open(self, argument, fitting):
        return Space(lambda images: images[:, :, :4, :4].reshape(len(images), -1).astype(float), "a corner", 32)

PART = Corner()
"""
    offer("extractor", "corner", code)
    figures = metrics(pictures / "real", pictures / "drawn", features="corner")
    assert (figures.space.name, figures.space.what, figures.space.dimensions) == ("corner", "a corner", 16)
    assert "corner" in spellings()


@pytest.mark.slow
def test_the_self_supervised_space_hangs_on_the_seed_alone(pictures: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("unpersonal.utility.extractors.ssl.VIEWS", 4)
    options = {"features": "ssl", "size": 32}
    first, again = (metrics(pictures / "real", pictures / "drawn", **options) for _ in range(2))
    other = metrics(pictures / "real", pictures / "drawn", seed=1, **options)
    assert first == again and first.space.sha256 != other.space.sha256
    assert (first.space.dimensions, first.space.name) == (64, "ssl")
