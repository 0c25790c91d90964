"""Parts are found by module or entry point; what cannot be had says so."""

from __future__ import annotations

import sys

import pytest

from unpersonal.core.errors import InputError
from unpersonal.core.registry import Registry


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A package with two parts, and a distribution that offers a third."""
    folder = tmp_path / "somebody_parts"
    folder.mkdir()
    (folder / "__init__.py").write_text("")
    (folder / "_helper.py").write_text("raise AssertionError('imported')")
    (folder / "one.py").write_text("PART = 1")
    (folder / "two_b.py").write_text("PART = 2")
    info = tmp_path / "their_package-1.5.dist-info"
    info.mkdir()
    (tmp_path / "their_module.py").write_text("THING = 3")
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: their-package\nVersion: 1.5\n")
    (info / "entry_points.txt").write_text("[unpersonal.somethings]\nthird = their_module:THING\nbad = nowhere:X\n")
    (info / "RECORD").write_text("their_module.py,,\ntheir_package-1.5.dist-info/METADATA,,\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    yield tmp_path
    for name in list(sys.modules):
        if name.startswith(("somebody_parts", "their_module")):
            del sys.modules[name]


def parts() -> Registry[int]:
    return Registry("something", package="somebody_parts", attribute="PART")


def test_modules_and_entry_points_are_found(package):
    assert parts().names() == ("one", "two-b", "bad", "third")
    assert [parts().get(name) for name in ("one", "two-b", "third")] == [1, 2, 3]
    assert list(parts()) == [1, 2], "a plug-in takes part only where it is named"


def test_a_plugin_says_where_it_comes_from_and_its_hash_follows_its_code(package):
    assert parts().plugin("one") is None
    plugin = parts().plugin("third")
    assert (plugin.kind, plugin.distribution, plugin.version) == ("something", "their-package", "1.5")
    (package / "their_module.py").write_text("THING = 4")
    assert parts().plugin("third").sha256 != plugin.sha256


@pytest.mark.parametrize("lists", ["__editable___their_finder.py,,\n", "", "copy/their_parts/__init__.py,,\n"])
def test_the_hash_follows_modules_that_the_distribution_does_not_list(package, lists):
    info = package / "their_package-1.5.dist-info"
    (info / "entry_points.txt").write_text("[unpersonal.somethings]\nfourth = their_parts.inner.part:THING\n")
    (info / "RECORD").write_text(f"{lists}their_package-1.5.dist-info/METADATA,,\n")
    for name in (
        "__editable___their_finder.py",
        "copy/their_parts/__init__.py",
        *(f"their_parts/{file}" for file in ("__init__.py", "helper.py", "inner/__init__.py", "inner/part.py")),
    ):
        (package / name).parent.mkdir(parents=True, exist_ok=True)
        (package / name).write_text("THING = 3")
    seen = {parts().plugin("fourth").sha256}
    for name in ("__init__.py", "helper.py", "inner/__init__.py", "inner/part.py"):
        (package / "their_parts" / name).write_text("THING = 4")
        seen.add(parts().plugin("fourth").sha256)
    assert len(seen) == 5
    assert "their_parts" not in sys.modules


@pytest.mark.parametrize("name", ["a/b/c", "part.npy", "vae:x", "one+two", "two words", "~"])
def test_a_plugin_with_a_name_that_evidence_would_withhold_is_refused(package, name):
    (package / "their_package-1.5.dist-info" / "entry_points.txt").write_text(
        f"[unpersonal.somethings]\n{name} = their_module:THING\n"
    )
    with pytest.raises(InputError, match="cannot be called"):
        parts().names()


@pytest.mark.parametrize(("name", "said"), [("none", "no something 'none'"), ("bad", "cannot be loaded")])
def test_what_cannot_be_had_says_so(package, name, said):
    with pytest.raises(InputError, match=said):
        parts().get(name)


def test_a_plugin_cannot_take_the_name_of_a_part_of_ours(package):
    (package / "their_package-1.5.dist-info" / "entry_points.txt").write_text(
        "[unpersonal.somethings]\none = their_module:THING\n"
    )
    with pytest.raises(InputError, match="Two packages"):
        parts().get("two-b") and parts().names()
