"""Whoever has never seen the tool: what `init`, `status` and `run` say, and what they are told to do next."""

from __future__ import annotations

import errno
import json
import re
import shlex
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from typer.testing import CliRunner

from tests.commands.conforming import conforms
from tests.studies import SUBJECT
from unpersonal.cli import app
from unpersonal.cohort.stage import run_stage
from unpersonal.core.errors import PolicyRefused
from unpersonal.presets import PRESETS
from unpersonal.study import read_config, stage_list

from .cohort_cases import draw_people, encoded, labelled_files, png_file, refused, write_files

pytestmark = pytest.mark.slow

STAGES = [stage.name for stage in stage_list()]
TINY = ("--preset", "tiny", "--layout", "folder")


def run(*words: object, columns: int = 400):
    return CliRunner().invoke(app, [str(word) for word in words], env={"COLUMNS": str(columns)})


def done(*words: object):
    result = run(*words)
    assert result.exit_code == 0, (result.output, result.exception)
    return result


@pytest.fixture(scope="module")
def people():
    return draw_people(60, seed=3)


@pytest.fixture(scope="module")
def images(tmp_path_factory, people):
    return write_files(tmp_path_factory.mktemp("newcomer") / "images", labelled_files(people))


def shaped(root, people, shape):
    """The people's images, each resized to height and width as `shape(row)` says."""
    files = {}
    for row, name in enumerate(labelled_files(people)):
        height, width = shape(row)
        files[name] = encoded(Image.fromarray(people.images[row]).resize((width, height)))
    return write_files(root, files)


def warnings(study):
    found = json.loads((study / "understanding.json").read_text())["warnings"]
    return {warning["kind"]: warning for warning in found}


# 7: an interrupted init


def test_an_interrupted_init_names_the_folder_with_images_and_goes_on(tmp_path, images, monkeypatch):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    words = ("init", tmp_path / "study", "--images", images, *TINY, "--subject", SUBJECT)
    with monkeypatch.context() as patch:
        patch.setattr("unpersonal.cohort.read.find_duplicates", interrupted)
        result = run(*words)
    workshop = tmp_path / ".study.init"
    assert result.exit_code == 130 and (workshop / "store" / "images.npy").is_file()
    assert str(workshop) in result.stderr and "delete that folder" in result.stderr
    assert "the same command continues" in result.stderr and "Traceback" not in result.stderr
    done(*words)
    assert not workshop.exists() and (tmp_path / "study" / "study.toml").is_file()


def test_an_interrupted_run_has_no_folder_to_delete(tmp_path, images, monkeypatch):
    done("init", tmp_path / "study", "--images", images, *TINY, "--subject", SUBJECT)

    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("unpersonal.cohort.stage.read", interrupted)
    result = run("run", tmp_path / "study", "--until", "cohort")
    assert (result.exit_code, result.stderr.splitlines()[-1]) == (
        130,
        "unpersonal: interrupted; the same command continues.",
    )
    # nothing was written yet: the cohort of init still waits to be confirmed
    assert "read by init, not yet confirmed" in done("status", tmp_path / "study").stdout.splitlines()[0]


def test_a_full_disk_throws_no_prepared_image_away(tmp_path, images, monkeypatch):
    words = ("init", tmp_path / "study", "--images", images, *TINY, "--subject", SUBJECT)

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("unpersonal.images.store.write_header", full)
        said = refused(run(*words), "no room left", "give the same command again", "delete that folder")
    workshop = tmp_path / ".study.init"
    assert str(workshop) in said and not (tmp_path / "study").exists()
    blocks = list((workshop / "store").glob("blocks-*/*.parquet"))
    assert blocks and not list(workshop.rglob("*.tmp*"))

    # what was prepared is used: nothing is decoded a second time
    def decoded(*_):
        raise AssertionError("decoded again")

    monkeypatch.setattr("unpersonal.images.ingest.decode_pictures", decoded)
    done(*words)
    assert not workshop.exists() and (tmp_path / "study" / "study.toml").is_file()


def test_a_wrong_input_still_leaves_nothing(tmp_path, images):
    refused(run("init", tmp_path / "study", "--images", images, *TINY, "--subject", "(?P<subject>sub)"), "one subject")
    assert list(tmp_path.glob("*study*")) == []


@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
def test_a_window_for_flat_images_is_refused_before_one_is_decoded(tmp_path, people, monkeypatch, kind):
    root = write_files(tmp_path / "images", labelled_files(people, f".{kind.lower()}", kind) | {"x/sub-1_0.png": b"?"})

    def decoded(*_, **__):
        raise AssertionError("decoded")

    monkeypatch.setattr("unpersonal.cohort.read.ingest", decoded)
    words = ("--images", root, *TINY, "--subject", r"(?P<subject>sub-\d+)", "--window", "40,80")
    refused(run("init", tmp_path / "study", *words), "--window is about images deeper than 8 bits")


def test_one_deep_image_is_enough_for_a_window(tmp_path, people):
    files = labelled_files(people)
    name = list(files)[-1]
    files[name] = encoded(people.images[-1].astype(np.uint16) * 200)
    root = write_files(tmp_path / "images", files)
    words = ("--images", root, *TINY, "--subject", SUBJECT, "--window", "20000,40000")
    said = " ".join(done("init", tmp_path / "s", *words).stdout.split())
    assert f"--window changes nothing in {len(files) - 1} of {len(files)} images" in said


# a study.toml says what holds, not what somebody typed


def test_no_line_of_a_study_toml_that_is_the_default_can_be_missed(tmp_path, images, people, monkeypatch):
    """As in a study of an earlier release, which knew fewer keys."""

    class Reached(Exception):
        pass

    def reached(*_, **__):
        raise Reached

    names = list(labelled_files(people))
    rows = [(name, re.search(r"sub-\d+", name).group(), name.split("/")[0]) for name in names]
    table = tmp_path / "table.csv"
    pd.DataFrame(rows, columns=["image", "subject", "label"]).to_csv(table, index=False)
    study = tmp_path / "s"
    words = ("--preset", "tiny", "--layout", "table", "--root", images, "--subject", SUBJECT)
    done("init", study, "--images", table, *words)
    whole = read_config(study / "study.toml")
    text = (study / "study.toml").read_text()
    needed = {"images", "layout", "root", "subject"}
    keys = [key for key in type(whole.cohort).model_fields if key not in needed | {"splits"}]
    written = [key for key in keys if re.search(rf"^{key} = ", text, re.MULTILINE)]
    assert {"views", "subject_column", "label_columns", "slice_step"} <= set(written)
    for key in written:
        (study / "study.toml").write_text(re.sub(rf"^{key} = .*\n", "", text, count=1, flags=re.MULTILINE))
        config = read_config(study / "study.toml")
        assert config == whole and key not in config.cohort.model_fields_set
        with monkeypatch.context() as patch, pytest.raises(Reached):
            patch.setattr("unpersonal.cohort.read.ingest", reached)
            run_stage(study, config.cohort, seed=0, images=config.images)
    (study / "study.toml").write_text(text.replace('views = "all"', ""))
    assert run("run", study, "--until", "cohort").exit_code == 0
    # typed, the same value is refused as before
    typed = (*words, "--subject-column", "subject")
    refused(run("init", tmp_path / "t", "--images", table, *typed), "--subject and --subject-column both say")


# 9: what becomes of images that are no squares, or small


def test_strips_are_said_to_be_cropped_and_enlarged(tmp_path, people):
    strips = shaped(tmp_path / "images", people, lambda row: (64, 256))
    words = ("--images", strips, "--subject", SUBJECT, *TINY, "--size", "128")
    said = " ".join(done("init", tmp_path / "crop", *words).stdout.split())
    n = len(people)
    assert f"all {n} images lose more than 20% at the crop to a square, 75% at most" in said and "--fit pad" in said
    assert f"all {n} images are smaller than 128 × 128 pixels and enlarged, up to 2 times" in said
    found = warnings(tmp_path / "crop")
    assert found["cropped"]["count"] == found["enlarged"]["count"] == n

    done("init", tmp_path / "pad", *words, "--fit", "pad")
    assert not {"cropped", "enlarged"} & set(warnings(tmp_path / "pad"))
    assert re.search(r'^fit = "pad"', (tmp_path / "pad" / "study.toml").read_text(), re.MULTILINE)
    stored = np.load(tmp_path / "pad" / "store" / "images.npy")
    # 256 x 64 in 128 x 128: 48 black rows above and below 32 rows of the image; the filter reaches two rows further
    assert not stored[:, 0, :46].any() and not stored[:, 0, 82:].any()
    assert stored[:, 0, 50:78].reshape(n, -1).std(axis=1).min() > 0


def test_only_images_that_lose_or_gain_are_counted(tmp_path, people):
    sizes = {0: (40, 50), 1: (39, 50), 2: (31, 31), 3: (20, 80)}  # of which the first loses 20 %, not more
    mixed = shaped(tmp_path / "images", people, lambda row: sizes.get(row, (32, 32)))
    done("init", tmp_path / "study", "--images", mixed, *TINY, "--subject", SUBJECT)
    found = warnings(tmp_path / "study")
    assert (found["cropped"]["count"], found["enlarged"]["count"]) == (2, 2)
    assert "75% at most" in found["cropped"]["sentence"] and "up to 1.6 times" in found["enlarged"]["sentence"]
    done("init", tmp_path / "pad", "--images", mixed, *TINY, "--subject", SUBJECT, "--fit", "pad")
    found = warnings(tmp_path / "pad")
    assert "cropped" not in found and found["enlarged"]["count"] == 1
    assert found["enlarged"]["sentence"].startswith(f"1 of {len(people)} images is smaller than 32 × 32")


def test_images_of_the_right_form_are_not_warned_of(tmp_path, images):
    done("init", tmp_path / "study", "--images", images, *TINY, "--subject", SUBJECT)
    assert not {"cropped", "enlarged"} & set(warnings(tmp_path / "study"))
    assert re.search(r'^fit = "crop"', (tmp_path / "study" / "study.toml").read_text(), re.MULTILINE)


def test_a_fit_that_is_none(tmp_path, images):
    words = ("init", tmp_path / "study", "--images", images, *TINY, "--subject", SUBJECT, "--fit", "stretch")
    refused(run(*words), "'stretch'", "--fit", "crop or pad")
    assert not list(tmp_path.iterdir())


# 15: labels first, and how many people would do


def test_folders_of_patients_taken_for_labels_are_the_first_thing_said(tmp_path, people):
    files = {
        f"{subject}/{visit}.png": encoded(image)
        for image, subject, visit in zip(people.images, people.subjects, people.visits, strict=True)
    }
    write_files(tmp_path / "images", files)
    message = refused(run("init", tmp_path / "study", "--images", tmp_path / "images", *TINY, "--subject", SUBJECT))
    assert message.startswith("unpersonal: There are 60 labels (among them 'sub-00001') for 60 subjects, and they are")
    assert "names of subjects" in message and "val has 0, needs 2" in message
    assert "To mend it: check --label-from" in message
    assert "too few" not in message and "more people" not in message


def few(people, each):
    """Images of `each` subjects of every finding."""
    subjects = {
        label: sorted({s for s, found in zip(people.subjects, people.labels, strict=True) if found == label})[:each]
        for label in sorted(set(people.labels))
    }
    wanted = {subject for names in subjects.values() for subject in names}
    assert len(wanted) == each * len(subjects)
    files = labelled_files(people)
    return {name: data for name, data in files.items() if name.split("/")[1].split("_")[0] in wanted}, len(wanted)


def test_as_many_people_as_are_asked_for_do(tmp_path):
    people = draw_people(120, seed=5)
    files, count = few(people, 4)
    write_files(tmp_path / "few", files)
    message = refused(run("init", tmp_path / "a", "--images", tmp_path / "few", *TINY, "--subject", SUBJECT))
    assert f"{count} subjects are too few for the splits (aux has 0, needs 2)" in message
    would = re.search(r"about (\d+) subjects would do, (\d+) or more with each label", message)
    assert would and int(would[1]) == 30 == 3 * int(would[2])
    files, count = few(people, int(would[2]))
    assert count == int(would[1])
    write_files(tmp_path / "enough", files)
    done("init", tmp_path / "b", "--images", tmp_path / "enough", *TINY, "--subject", SUBJECT)


def test_given_splits_promise_no_number(tmp_path, people):
    files = labelled_files(people)
    root = write_files(tmp_path / "images", files)
    subjects = [name.split("/")[1].split("_")[0] for name in files]
    table = pd.DataFrame({"image": list(files), "subject": subjects, "label": [n.split("/")[0] for n in files]})
    table.assign(split="train").to_csv(root / "t.csv", index=False)
    result = run("init", tmp_path / "s", "--images", root / "t.csv", "--preset", "tiny", "--split-column", "split")
    assert "test has 0, needs 1" in refused(result) and "would do" not in result.stderr


# 17: status and run


def test_status_and_run_say_in_sentences_what_was_done_and_what_comes(tmp_path, images, people):
    study = tmp_path / "my study"
    said = done("init", study, "--images", images, *TINY, "--subject", SUBJECT).stdout
    command = f"unpersonal run '{study}'"
    assert said.rstrip().endswith(f"Next: {command}") and shlex.split(command)[2] == str(study)

    lines = done("status", study).stdout.splitlines()
    assert lines[0] == "cohort      read by init, not yet confirmed" and lines[1].split() == ["encode", "missing"]
    assert lines[-1].startswith(f"Next: {command} (confirms the cohort")
    states = json.loads(done("status", study, "--json").stdout)
    assert set(states.values()) == {"missing"} and len(states) == 10

    lines = done("run", study, "--until", "encode").stdout.splitlines()
    train, val, aux, test = (
        json.loads((study / "summary.json").read_text())["cohort"]["subjects_by_split"][split]
        for split in ("train", "val", "aux", "test")
    )
    n = len(people)
    counts = f"{n} images of 60 subjects (train {train}, val {val}, aux {aux}, test {test})"
    assert lines[0] == f"cohort      {counts}"
    assert lines[1].startswith("encode      images of 32 × 32 pixels, grey; ")
    assert lines[2:4] == ["", f"Figures: {study / 'summary.json'}"]
    assert lines[4] == f"The stages after encode were not asked for. Next: {command}" and len(lines) == 5
    assert not re.search(r"[{}\[\]_]|True|False|None|refused", " ".join(lines[:2]))
    # machines still have every figure
    summary = json.loads((study / "summary.json").read_text())
    assert summary["release"] == {"released": False, "reasons": []}
    assert {"duplicates", "quarantine_reasons", "images_by_label", "text"} <= set(summary["cohort"])
    again = json.loads(done("run", study, "--until", "encode", "--json").stdout)
    assert again == summary

    lines = done("status", study).stdout.splitlines()
    assert [line.split()[1] for line in lines[:3]] == ["fresh", "fresh", "missing"]
    assert lines[-1] == f"Next: {command} (runs what is stale or missing)"


def refused_figures():
    """Those of a finished demo, with other figures where a sentence depends on them."""
    figures = json.loads((Path(__file__).parents[1] / "data" / "demo_summary.json").read_text())
    changes = {
        "encode": {"channels": 3},
        "gate": {"miss_rate_upper": 0.0074, "false_flag_rate": 0.0998},
        "synthesis": {"match_rate_before_gate": 0.0669},
        "audit": {"verdict": "fail", "advantage_upper": 0.0092, "reasons": ["membership shows"]},
        "utility": {"auroc_real": 0.9982, "auroc_synthetic": None, "gap_upper": 0.038},
    }
    for table, values in changes.items():
        figures[table] |= values
    del figures["seconds"]["release"]
    figures["release"] = {"released": False, "reasons": ["audit.verdict is 'fail'; it must be 'pass'"]}
    return figures


FIGURES = refused_figures()


def test_a_refused_study_is_told_stage_by_stage(tmp_path, images, monkeypatch):
    """The figures are those of a study that takes minutes; what is said of them is at issue here."""
    study = tmp_path / "s"
    done("init", study, "--images", images, *TINY, "--subject", SUBJECT)

    def refuse(opened, *, until=None):
        (opened.path / "summary.json").write_text(json.dumps(FIGURES))
        raise PolicyRefused(FIGURES["release"]["reasons"])

    monkeypatch.setattr("unpersonal.study.Study.run", refuse)
    result = run("run", study)
    assert result.exit_code == 3 and "audit.verdict is 'fail'" in result.stderr
    said = dict(line.split(maxsplit=1) for line in result.stdout.splitlines())
    assert list(said) == STAGES
    assert said["cohort"] == "6,000 images of 4,000 subjects (train 1,999, val 801, aux 399, test 801)"
    assert "32 × 32 pixels, colour; " in said["encode"] and "28.7 dB" in said["encode"]
    assert (
        "missed a promised copy of 0 % of 400 held-out subjects (95 % upper bound 0.74 %)" in said["judges"]
        and "10 % of" in said["judges"]
    )
    assert said["synthesis"].startswith("400 images planned, 1,600 drawn") and "6.7 %" in said["synthesis"]
    assert said["audit"].startswith("fail: nothing can be claimed of the release; AUROC of membership: ")
    assert "; membership shows; what to do: do not pass the images on" in said["audit"]
    assert "AUROC not known" in said["utility"] and "0.998 on the real ones" in said["utility"]
    assert said["release"].startswith("refused")
    assert not re.search(r"[{}\[\]]|True|False|None|expected_false", result.stdout)
    machine = run("run", study, "--json")
    document = conforms("run", machine.stdout, code=3)
    assert document.pop("error")["reasons"] == FIGURES["release"]["reasons"] and document == FIGURES
    assert machine.exit_code == 3


def test_a_quarantine_and_copies_are_part_of_the_sentence(tmp_path, people):
    files = labelled_files(people)
    names = list(files)
    files[names[-1]] = b"broken"
    one, other = names[0], next(name for name in names if name.split("/")[1][:9] != names[0].split("/")[1][:9])
    files[other] = files[one]
    write_files(tmp_path / "images", files)
    done("init", tmp_path / "s", "--images", tmp_path / "images", *TINY, "--subject", SUBJECT)
    line = done("run", tmp_path / "s", "--until", "cohort").stdout.splitlines()[0]
    assert f"; 1 of {len(people)} refused, quarantine.csv says why" in line
    assert "; 1 pair of identical images under different subjects" in line


# 20: repeated sentences, long groups, plurals, presets


def test_what_mends_several_warnings_is_said_once(tmp_path, images):
    said = " ".join(done("init", tmp_path / "s", "--images", images, *TINY, "--subject", SUBJECT).stdout.split())
    assert said.count("subjects in all would do") == 1 and "to mend 1 and 2: about 670 subjects" in said
    found = json.loads((tmp_path / "s" / "understanding.json").read_text())["warnings"]
    assert sum("about 670 subjects" in warning["how_to_mend"] for warning in found) == 2


def test_a_picture_that_thirty_people_share_is_named_thrice(tmp_path, people):
    files = labelled_files(people)
    first = {name.split("/")[1][:9]: name for name in reversed(files)}
    # of every label some: people who share a picture are dealt as one
    shared = sorted(first.values())[::2][:30]
    files |= dict.fromkeys(shared, files[shared[0]])
    write_files(tmp_path / "images", files)
    said = done("init", tmp_path / "s", "--images", tmp_path / "images", *TINY, "--subject", SUBJECT).stdout
    assert "435 pairs of identical images under different subjects" in said
    (line,) = [line for line in said.splitlines() if line.startswith("  e.g. ") and " = " in line]
    assert line.strip() == f"e.g. {' = '.join(shared[:3])} = 27 more"


def test_one_is_one(tmp_path, people):
    files = labelled_files(people)
    files["Cardiomegaly/sub-00999_0.png"] = png_file(32, 32, 8, 0, b"")
    root = write_files(tmp_path / "images", files)
    (tmp_path / "elsewhere").mkdir()
    (root / "link").symlink_to(tmp_path / "elsewhere", target_is_directory=True)
    said = done("init", tmp_path / "s", "--images", root, *TINY, "--subject", SUBJECT).stdout
    assert "note: 1 link to folders was not followed" in said
    assert not re.search(r"\b1 (images|subjects|links|pairs|labels|files|names)\b", said)


def test_every_preset_is_explained_where_it_is_asked_for():
    text = " ".join(done("init", "--help").stdout.replace("│", " ").split())
    option = text[text.index("--preset") : text.index("--size")]
    for name, tables in PRESETS.items():
        assert f"{name}: {tables['images']['size']} px" in option
