"""Every wrong input ends with exit code 2, one readable message, and nothing half-written."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from tests.studies import SUBJECT
from unpersonal.cli import app
from unpersonal.phantom import write_phantom


def run(*words: str):
    return CliRunner().invoke(app, [str(word) for word in words])


def refused(result, *fragments: str) -> None:
    assert result.exit_code == 2, (result.exit_code, result.output, result.exception)
    assert "Traceback" not in result.output
    messages = [line for line in result.stderr.splitlines() if line.startswith("unpersonal: ")]
    assert len(messages) == 1 and result.stderr.endswith(messages[0] + "\n"), result.stderr
    message = messages[0]
    for fragment in fragments:
        assert fragment in message, message


@pytest.fixture(scope="module")
def images(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("phantom") / "images"
    write_phantom(folder, subjects=60, seed=1, size=32, findings=("No Finding", "Pleural Effusion", "Cardiomegaly"))
    return folder


def init(tmp_path: Path, images: Path | str, *words: str):
    study = tmp_path / "study"
    result = run("init", study, "--images", images, "--preset", "tiny", *words)
    if result.exit_code:
        assert not study.exists() and not list(tmp_path.glob(".*"))
    return result


def png(path: Path, value: int = 0) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(value).integers(0, 256, (32, 32), dtype=np.uint8)
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "PNG")
    path.write_bytes(stream.getvalue())


@pytest.mark.slow
def test_the_phantom_is_a_good_input(tmp_path, images):
    assert init(tmp_path, images, "--layout", "folder", "--subject", SUBJECT).exit_code == 0
    states = run("status", tmp_path / "study").stdout.splitlines()
    assert states[0].split(maxsplit=1) == ["cohort", "read by init, not yet confirmed"]
    assert [line.split()[1] for line in states[1:10]] == ["missing"] * 9


def test_a_missing_path(tmp_path):
    refused(init(tmp_path, tmp_path / "nowhere", "--subject", SUBJECT), "nowhere")


def test_an_empty_folder(tmp_path):
    (tmp_path / "empty").mkdir()
    refused(init(tmp_path, tmp_path / "empty", "--layout", "folder", "--subject", SUBJECT), "empty")


def test_a_broken_regex(tmp_path, images):
    refused(init(tmp_path, images, "--layout", "folder", "--subject", "(?P<subject>sub"), "no regular expression")


def test_a_regex_without_the_group(tmp_path, images):
    refused(init(tmp_path, images, "--layout", "folder", "--subject", r"sub-\d+"), "subject")


def test_a_folder_without_a_subject_pattern(tmp_path, images):
    refused(init(tmp_path, images, "--layout", "folder"), "--subject")


def test_a_table_without_the_named_column(tmp_path, images):
    rows = [f"{p.relative_to(images).as_posix()},{p.name[:9]},{p.parent.name}" for p in sorted(images.rglob("*.png"))]
    (images / "table.csv").write_text("\n".join(["image,subject,label", *rows]) + "\n")
    words = ("--layout", "table", "--label-column", "diagnosis")
    refused(init(tmp_path, images / "table.csv", *words), "diagnosis")


def test_one_subject_only(tmp_path):
    for i in range(6):
        png(tmp_path / "one" / ("a" if i % 2 else "b") / f"sub-1_{i}.png", i)
    refused(init(tmp_path, tmp_path / "one", "--layout", "folder", "--subject", SUBJECT), "subject")


def test_a_label_that_occurs_in_one_split_only(tmp_path, images):
    import shutil

    shutil.copytree(images, tmp_path / "images")
    png(tmp_path / "images" / "rarity" / "sub-99999_0.png", 5)
    result = init(tmp_path, tmp_path / "images", "--layout", "folder", "--subject", SUBJECT)
    refused(result, "rarity")


def test_a_file_list_whose_images_are_absent(tmp_path):
    (tmp_path / "list.txt").write_text(
        "images/00000001_000.png 1 0 0 0 0 0 0 0\nimages/00000002_000.png 0 1 0 0 0 0 0 0\n"
    )
    words = ("--layout", "filelist", "--subject", r"(?P<subject>\d{8})_")
    refused(init(tmp_path, tmp_path / "list.txt", *words))


def test_an_unknown_preset_a_wrong_size_and_a_folder_in_use(tmp_path, images):
    words = ("--images", images, "--layout", "folder", "--subject", SUBJECT)
    refused(run("init", tmp_path / "s", *words, "--preset", "huge"), "tiny", "cpu")
    refused(run("init", tmp_path / "s", *words, "--preset", "tiny", "--size", "33"), "multiple")
    (tmp_path / "s").mkdir()
    (tmp_path / "s" / "mine.txt").write_text("precious")
    refused(run("init", tmp_path / "s", *words, "--preset", "tiny"), "not empty")
    assert (tmp_path / "s" / "mine.txt").read_text() == "precious"


@pytest.mark.slow
def test_an_unknown_key_in_study_toml(tmp_path, images):
    assert init(tmp_path, images, "--layout", "folder", "--subject", SUBJECT).exit_code == 0
    toml = tmp_path / "study" / "study.toml"
    toml.write_text(toml.read_text().replace("[synthesis]", "[synthesis]\nveto = false"))
    refused(run("run", tmp_path / "study"), "synthesis.veto", "unknown key")
    toml.write_text("this is = = no toml")
    refused(run("run", tmp_path / "study"), "TOML")


def test_run_status_and_verify_on_what_they_are_not_for(tmp_path):
    refused(run("run", tmp_path), "no study")
    refused(run("status", tmp_path / "nowhere"), "no study")
    refused(run("verify", tmp_path))
    refused(run("verify", tmp_path / "nowhere"))


@pytest.mark.slow
def test_an_unknown_stage_and_an_unknown_device(tmp_path, images):
    assert init(tmp_path, images, "--layout", "folder", "--subject", SUBJECT).exit_code == 0
    refused(run("run", tmp_path / "study", "--until", "marketing"), "cohort")
    refused(run("run", tmp_path / "study", "--until", "features", "--device", "abacus"), "abacus")


@pytest.mark.slow
def test_images_that_change_after_init_are_noticed(tmp_path, images):
    import shutil

    shutil.copytree(images, tmp_path / "images")
    words = ("--layout", "folder", "--subject", SUBJECT)
    assert init(tmp_path, tmp_path / "images", *words).exit_code == 0
    assert run("run", tmp_path / "study", "--until", "encode").exit_code == 0
    assert run("status", tmp_path / "study").stdout.count("fresh") == 2
    first = sorted((tmp_path / "images").rglob("*.png"))[0]
    png(first, 77)
    states = run("status", tmp_path / "study").stdout.split()
    assert states[states.index("cohort") + 1] == "stale" and states[states.index("encode") + 1] == "stale"
    shutil.rmtree(tmp_path / "images")
    refused(run("run", tmp_path / "study"))


def test_an_option_that_the_layout_does_not_read(tmp_path, images):
    words = ("--layout", "folder", "--subject", SUBJECT, "--split-column", "fold")
    refused(init(tmp_path, images, *words), "--split-column")


def test_a_study_among_its_own_images(images):
    words = ("--images", images, "--layout", "folder", "--subject", SUBJECT, "--preset", "tiny")
    refused(run("init", images / "study", *words), "among its own images")


def test_a_study_among_its_own_images_through_a_link(tmp_path, images):
    (tmp_path / "link").symlink_to(images)
    words = ("--images", tmp_path / "link", "--layout", "folder", "--subject", SUBJECT, "--preset", "tiny")
    refused(run("init", images / "study", *words), "among its own images")
    words = ("--images", images, "--layout", "folder", "--subject", SUBJECT, "--preset", "tiny")
    refused(run("init", tmp_path / "link" / "study", *words), "among its own images")


def test_a_folder_with_the_name_that_init_works_under_is_left_alone(tmp_path, images):
    (tmp_path / ".study.init").mkdir()
    (tmp_path / ".study.init" / "mine.txt").write_text("precious")
    words = ("--images", images, "--layout", "folder", "--subject", SUBJECT, "--preset", "tiny")
    refused(run("init", tmp_path / "study", *words), "under")
    assert (tmp_path / ".study.init" / "mine.txt").read_text() == "precious"


@pytest.mark.slow
def test_an_option_in_study_toml_that_the_layout_does_not_read(tmp_path, images):
    assert init(tmp_path, images, "--layout", "folder", "--subject", SUBJECT).exit_code == 0
    toml = tmp_path / "study" / "study.toml"
    toml.write_text(toml.read_text().replace("[cohort]", '[cohort]\nsplit_column = "fold"'))
    refused(run("run", tmp_path / "study", "--until", "cohort"), "--split-column", "study.toml")


@pytest.mark.slow
def test_a_killed_init_goes_on_with_what_it_prepared(tmp_path, images, monkeypatch):
    from unpersonal.cohort import read

    words = ("init", tmp_path / "study", "--images", images, "--layout", "folder", "--subject", SUBJECT)
    words = (*words, "--preset", "tiny")

    def killed(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(read, "find_duplicates", killed)
        assert run(*words).exit_code == 130
    assert not (tmp_path / "study").exists() and (tmp_path / ".study.init" / "store" / "images.npy").is_file()
    from unpersonal.images import ingest

    def never(*_):
        raise AssertionError("an image was decoded again")

    monkeypatch.setattr(ingest, "decode_pictures", never)
    assert run(*words).exit_code == 0
    assert not (tmp_path / ".study.init").exists() and (tmp_path / "study" / "study.toml").is_file()


@pytest.mark.slow
def test_a_link_that_leads_nowhere_is_quarantined_by_run_too(tmp_path, images):
    import shutil

    shutil.copytree(images, tmp_path / "images")
    (tmp_path / "images" / "No Finding" / "sub-00001_9.png").symlink_to(tmp_path / "gone.png")
    assert init(tmp_path, tmp_path / "images", "--layout", "folder", "--subject", SUBJECT).exit_code == 0
    assert run("run", tmp_path / "study", "--until", "cohort").exit_code == 0
    assert "sub-00001_9.png" in (tmp_path / "study" / "quarantine.csv").read_text()
