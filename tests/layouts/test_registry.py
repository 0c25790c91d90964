"""A layout is one object in one module: nothing else names it, and one from another package is used by naming it."""

from __future__ import annotations

import ast
import json
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

import unpersonal
from unpersonal.cli import app
from unpersonal.core.config import build_config
from unpersonal.core.errors import InputError
from unpersonal.layouts.config import CohortConfig
from unpersonal.layouts.fingerprint import fingerprint
from unpersonal.layouts.options import place
from unpersonal.layouts.read import read_listing
from unpersonal.layouts.recognise import recognise
from unpersonal.layouts.registry import AUTO, LAYOUTS, readers_of, split_folders_kept, word_of
from unpersonal.study import Study

ROOT = Path(unpersonal.__file__).parent
ORDINARY = {"folder", "table", "dicom", "nifti", "webdataset"}
"""Names that are also words for other things: the parent folder as a label, a table of a report, kinds of files."""
THEIRS = """
from pydantic import Field

from unpersonal.core.config import Config
from unpersonal.layouts.layout import Layout
from unpersonal.layouts.listing import ListedImage, make_listing

class Options(Config):
    mark: str = Field(description="what stands between subject and label")
    least: int = Field(0, ge=0, description="number of the first image that is read")

def read(config, path, archive):
    options = PART.options(config)
    names = [name for name in archive.names() if name.endswith(".png")]
    rows = [name.removesuffix(".png").split(options.mark) for name in names]
    kept = [(name, row) for name, row in zip(names, rows) if int(row[2]) >= options.least]
    images = [ListedImage(name, row[0], (row[1],)) for name, row in kept]
    return make_listing(archive, images, ("ill", "well"))

PART = Layout(name="theirs", title="names of images as ours are", read=read, config=Options)
"""


@pytest.fixture
def theirs(offer):
    offer("layout", "theirs", THEIRS)


@pytest.fixture(scope="module")
def images(tmp_path_factory) -> Path:
    """Two images of each of forty people, named `subject+label+number.png`."""
    root = tmp_path_factory.mktemp("theirs") / "images"
    root.mkdir()
    rng = np.random.default_rng(5)
    for person in range(40):
        for number in range(2):
            picture = Image.fromarray(rng.integers(0, 255, (40, 40), dtype=np.uint8))
            picture.save(root / f"p{person:02d}+{('ill', 'well')[person % 2]}+{number}.png")
    return root


def configure(root: Path, **values) -> CohortConfig:
    return build_config(CohortConfig, {"images": str(root), **values}, where="test")


# one module, one object


def test_every_module_holds_the_layout_that_it_is_called_after():
    assert [layout.name for layout in LAYOUTS] == sorted(
        path.stem for path in (ROOT / "layouts/known").glob("[a-z]*.py")
    )
    for layout in LAYOUTS:
        assert layout.title and not layout.title.endswith("."), layout.name
        assert set(layout.reads) <= set(CohortConfig.model_fields), layout.name
        assert layout.instead in ("", *LAYOUTS.names()) and layout.instead != layout.name
        assert all(word.key in CohortConfig.model_fields and re.compile(word.pattern) for word in layout.words)


def test_what_is_asked_of_all_layouts():
    assert readers_of("views") == ("chexpert", "mimic", "nih") and readers_of("images") == ()
    assert split_folders_kept() == split_folders_kept("folder") == "--layout huggingface"
    assert split_folders_kept("table") == ""
    found = word_of("label_from", "dicom:BodyPartExamined", AUTO)
    assert found is not None and found[0].name == "dicom"
    assert word_of("subject", "dicom:BodyPartExamined", AUTO) is None
    assert "(recognised; else --layout folder)" in place(configure(ROOT), "kermany", "here")
    assert place(configure(ROOT), "folder", "here") == "here, layout folder (recognised)"
    assert place(configure(ROOT, layout="kermany"), "kermany", "here") == "here"


def texts_of(path: Path) -> list[str]:
    """Every text of a module that is no docstring."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    owners = (ast.Module, ast.ClassDef, ast.FunctionDef)
    bodies = [node.body for node in ast.walk(tree) if isinstance(node, owners)]
    told = {id(statement.value) for body in bodies for statement in body if isinstance(statement, ast.Expr)}
    constants = [node for node in ast.walk(tree) if isinstance(node, ast.Constant) and id(node) not in told]
    return [node.value for node in constants if isinstance(node.value, str)]


def compared_with_layouts(path: Path) -> set[str]:
    """The texts of a module that something called a layout is compared with or looked up by."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Compare):
            sides = [node.left, *node.comparators]
        elif isinstance(node, ast.Subscript):
            sides = [node.value, node.slice]
        else:
            continue
        # `listing.layout`, not a tuple or dictionary with a layout somewhere in it
        plain = [side for side in sides if isinstance(side, ast.Name | ast.Attribute)]
        if any("layout" in ast.unparse(side).lower() for side in plain):
            inside = (inner for side in sides for inner in ast.walk(side))
            found |= {
                inner.value for inner in inside if isinstance(inner, ast.Constant) and isinstance(inner.value, str)
            }
    return found


@pytest.mark.slow
def test_no_layout_is_named_outside_its_own_module():
    names = set(LAYOUTS.names())
    for path in ROOT.rglob("*.py"):
        known = path.parent == ROOT / "layouts/known"
        others = names - {path.stem} if known else names
        texts = texts_of(path)
        for name in others:
            assert not [text for text in texts if re.search(rf"--layout {name}\b", text)], (path, name)
        assert not compared_with_layouts(path) & others, path
        if known:
            continue
        # a form of export is called as the format is, and what reads it calls its own entry so
        exported = names if path.parent == ROOT / "release/export" else set()
        for name in others - ORDINARY - exported:
            named = re.compile(rf"(?<![^\W_]){name}(?![^\W_]|_hub)")
            assert not [text for text in texts if named.search(text)], (path, name)


def test_the_finder_of_names_sees_them(tmp_path):
    path = tmp_path / "module.py"
    path.write_text(
        '"""kermany"""\nif config.layout in ("table", "folder"):\n    x = READERS_OF_LAYOUTS["nifti"]\n"dicom" == kind'
    )
    assert compared_with_layouts(path) == {"table", "folder", "nifti"}
    assert "kermany" not in texts_of(path) and "dicom" in texts_of(path)


# a layout from another package


def test_a_plugin_is_read_where_it_is_named(theirs, images):
    listing = read_listing(configure(images, layout="theirs", options={"mark": "+"}), Path())
    assert listing.layout == "theirs" and len(listing.records) == 80
    assert {record.subject for record in listing.records} == {f"p{person:02d}" for person in range(40)}
    fewer = read_listing(configure(images, layout="theirs", options={"mark": "+", "least": 1}), Path())
    assert len(fewer.records) == 40
    assert configure(images, layout="theirs", options={"mark": "+"}).named_parts() == (("layout", "theirs"),)
    assert recognise(images) == "folder", "a plug-in is not recognised, it is named"


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"layout": "theirs"}, "options.mark: Field required"),
        (
            {"layout": "theirs", "options": {"mark": "+", "lest": 1}},
            r"options.lest: unknown key \(did you mean least\?\)",
        ),
        ({"layout": "theirs", "options": {"mark": "+", "least": -1}}, "options.least: .*greater than or equal to 0"),
        ({"layout": "folder", "options": {"mark": "+"}}, "'folder' is no plug-in; its keys \\(mark\\)"),
        ({"options": {"mark": "+"}}, r"name the layout that reads them \(mark\)"),
        ({"layout": "nobodys"}, "there is no layout 'nobodys'; use one of auto, chexpert.*, theirs"),
    ],
)
def test_options_of_a_plugin_are_validated_by_its_own_class(theirs, images, values, said):
    with pytest.raises(InputError, match=said):
        configure(images, **values)


def test_options_that_a_plugin_does_not_read_are_refused(theirs, images):
    from unpersonal.layouts.options import refuse_unused

    config = configure(images, layout="theirs", options={"mark": "+"}, label_column="finding")
    with pytest.raises(InputError, match="The layout theirs does not read --label-column"):
        refuse_unused(config, "theirs")
    with pytest.raises(InputError, match="does not read the patient from DICOM headers"):
        read_listing(configure(images, layout="theirs", options={"mark": "+"}, subject="dicom"), Path())


def test_every_file_counts_for_the_fingerprint_of_a_plugin(theirs, images):
    config = configure(images, layout="theirs", options={"mark": "+"})
    before = fingerprint(config, base=Path())
    (images / ".hidden").write_text("x")
    assert fingerprint(config, base=Path()) == before
    (images / "their_table.xyz").write_text("x")
    changed = fingerprint(config, base=Path())
    (images / "their_table.xyz").unlink()
    assert changed != before and fingerprint(config, base=Path()) == before


def test_the_files_that_a_list_of_a_plugin_names_count(offer, tmp_path):
    code = """
from unpersonal.layouts.layout import Layout
from unpersonal.layouts.listing import ListedImage, make_listing

def read(config, path, archive):
    rows = [line.split() for line in path.read_text().splitlines()]
    return make_listing(archive, [ListedImage(*row[:2], (row[2],)) for row in rows], ("a", "b"))

PART = Layout(name="lines", title="lines of image, subject and label", read=read, suffixes=(".lines",))
"""
    offer("layout", "lines", code)
    (tmp_path / "x").mkdir()
    (tmp_path / "x" / "1.dat").write_bytes(b"one")
    (tmp_path / "x" / "2.dat").write_bytes(b"two")
    (tmp_path / "in.lines").write_text("x/1.dat s a\nx/1.dat#frame=1 t b\n")
    config = configure(tmp_path / "in.lines", layout="lines")
    assert [record.image for record in read_listing(config, Path()).records] == ["x/1.dat", "x/1.dat#frame=1"]
    before = fingerprint(config, base=Path())
    (tmp_path / "x" / "2.dat").write_bytes(b"other")
    assert fingerprint(config, base=Path()) == before
    (tmp_path / "x" / "1.dat").write_bytes(b"other")
    assert fingerprint(config, base=Path()) != before
    with pytest.raises(InputError, match="The layout lines needs a file"):
        read_listing(configure(tmp_path, layout="lines"), Path())


@pytest.mark.slow
def test_a_study_of_a_plugin(theirs, images, tmp_path):
    words = [
        "init",
        str(tmp_path / "study"),
        "--images",
        str(images),
        "--preset",
        "tiny",
        "--layout",
        "theirs",
        "--json",
    ]
    refused = CliRunner().invoke(app, [*words, "--option", "mark=+", "--option", "least=-1"])
    assert refused.exit_code == 2 and "options.least" in refused.stderr
    result = CliRunner().invoke(app, [*words, "--option", "mark=+", "--option", "least=0"])
    assert result.exit_code == 0, (result.output, result.exception)
    assert json.loads(result.stdout)["layout"] == "theirs"
    study = Study.open(tmp_path / "study")
    assert study.config.cohort.options == {"mark": "+", "least": 0}
    study.run(until="cohort")
    assert study.freshness()["cohort"] == "fresh"
    assert "theirs: a plug-in" in CliRunner().invoke(app, ["init", "--help"]).output
