"""Studies in odd places: unmounted images, read-only folders, odd terminals, texts of odd editors, older layouts."""

from __future__ import annotations

import errno
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tests.commands.conforming import conforms
from tests.studies import SUBJECT, change_settings
from unpersonal.cli import app
from unpersonal.core.records import LAYOUT
from unpersonal.phantom import write_phantom

pytestmark = pytest.mark.slow

ENTRY = "from unpersonal.cli import app; app()"


def run(*words: object):
    return CliRunner().invoke(app, [str(word) for word in words], env={"COLUMNS": "400"})


def process(*words: object, **options) -> subprocess.CompletedProcess[str]:
    """The command in a process of its own, whose streams are what a shell gives."""
    given = {"stderr": subprocess.PIPE, "text": True, "check": False, "errors": "replace", **options}
    return subprocess.run([sys.executable, "-c", ENTRY, *map(str, words)], **given)


def refused(result, *said: str) -> None:
    """One message, exit code 2."""
    assert result.exit_code == 2, (result.output, result.exception)
    lines = [line for line in result.stderr.splitlines() if line.startswith("unpersonal: ")]
    assert len(lines) == 1 and "Traceback" not in result.stderr
    for text in said:
        assert text in lines[0], lines[0]


def tree(folder: Path) -> dict[str, bytes]:
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Path:
    """Images, and a study that has its cohort and codec, and what stands for a release and a report."""
    root = tmp_path_factory.mktemp("places")
    write_phantom(root / "images", subjects=40, seed=3, size=32, findings=("No Finding", "Cardiomegaly"))
    words = ("--layout", "folder", "--subject", SUBJECT, "--preset", "tiny")
    assert run("init", root / "study", "--images", root / "images", *words).exit_code == 0
    assert run("run", root / "study", "--until", "encode").exit_code == 0
    release = root / "study" / "release"
    (release / "images").mkdir(parents=True)
    (release / "manifest.json").write_text("{}")
    for name in ("report.html", "private.html"):
        (root / "study" / name).write_text("precious")
    return root


@pytest.fixture
def study(made, tmp_path) -> Path:
    """A copy of the study of the very same images."""
    return shutil.copytree(made / "study", tmp_path / "study")


@pytest.fixture
def moved(made, tmp_path) -> Path:
    """A study whose images lie where a test may take them away; nothing of it is stale."""
    shutil.copytree(made / "images", tmp_path / "images")
    study = shutil.copytree(made / "study", tmp_path / "study")
    toml = study / "study.toml"
    toml.write_text(toml.read_text().replace(str(made / "images"), str(tmp_path / "images")))
    record = study / "cohort.stage.json"
    record.write_text(record.read_text().replace(str(made / "images"), str(tmp_path / "images")))
    assert conforms("status", run("status", study, "--json").stdout)["encode"] == "fresh"
    return study


# ---- images that are not there ----


def unmount(images: Path) -> None:
    shutil.rmtree(images)
    images.mkdir()


def empty_files(images: Path) -> None:
    """A network share that lists names and reads nothing."""
    for path in images.rglob("*.png"):
        path.unlink()
        path.symlink_to(images / "gone")


GONE = {"empty": unmount, "gone": shutil.rmtree, "unread": empty_files}


@pytest.mark.parametrize("stale", [False, True])
@pytest.mark.parametrize("how", GONE)
def test_images_that_are_not_mounted_cost_nothing(moved, tmp_path, how, stale):
    if stale:
        change_settings(moved, {"images.fit": "pad"})
    before = tree(moved)
    GONE[how](tmp_path / "images")
    refused(run("run", moved), str(tmp_path / "images"))
    assert tree(moved) == before


def test_a_wrong_pattern_is_found_before_anything_is_withdrawn(moved):
    change_settings(moved, {"cohort.subject": "(?P<subject>sub)"})
    before = tree(moved)
    refused(run("run", moved), "one subject")
    after = tree(moved)
    assert {name: after.get(name) for name in before} == before


# ---- tables of study.toml ----


def test_another_codec_does_not_decode_an_image_again(study, monkeypatch):
    change_settings(study, {"codec.components": 6})
    images = (study / "store" / "images.npy").stat().st_mtime_ns

    def never(*_, **__):
        raise AssertionError("an image was read again")

    monkeypatch.setattr("unpersonal.images.ingest.decode_pictures", never)
    monkeypatch.setattr("unpersonal.cohort.stage.read", never)
    plan = json.loads(run("run", study, "--dry-run", "--json").stdout)
    assert plan["stages"]["cohort"] == "fresh" and plan["stages"]["encode"] == "stale"
    assert plan["reasons"]["encode"] == "study.toml: [codec] components 8 → 6"
    result = run("run", study, "--until", "encode")
    assert result.exit_code == 0 and "encode: stale (study.toml: [codec] components 8 → 6)" in result.stderr
    assert (study / "store" / "images.npy").stat().st_mtime_ns == images and not (study / "release").exists()


def test_another_form_of_the_images_is_a_matter_of_the_cohort(study):
    change_settings(study, {"images.size": 48})
    lines = run("status", study).stdout.splitlines()
    assert lines[0].split(maxsplit=1) == ["cohort", "stale (study.toml: [images] size 32 → 48)"]
    assert run("run", study, "--until", "encode").exit_code == 0
    record = json.loads((study / "cohort.stage.json").read_text())
    assert {"cohort.parquet", "quarantine.csv", "store/images.npy", "store/index.parquet"} == set(record["outputs"])
    encoded = json.loads((study / "store" / "stage.json").read_text())
    assert encoded["figures"]["size"] == 48 and not set(encoded["outputs"]) & set(record["outputs"])


@pytest.mark.parametrize("line", ["size = 32", 'fit = "crop"', "workers = 0", "percentiles = [0.5, 99.5]"])
def test_a_study_toml_of_the_old_layout_is_refused_and_left_alone(study, line):
    text = (study / "study.toml").read_text()
    old = re.sub(r"\[images\][^\[]*(\[0.5, 99.5\][^\[]*)?", "", text).replace("[codec]", f"[codec]\n{line}")
    assert "[images]" not in old
    (study / "study.toml").write_text(old)
    before = tree(study)
    for command in ("status", "run"):
        refused(run(command, study), "older version", "unpersonal init")
    assert tree(study) == before


@pytest.mark.parametrize("line", ["", "renoised_sigmas = [0.1]"])  # an unknown key is not what there is to say then
@pytest.mark.parametrize("layout", [None, LAYOUT - 1])
@pytest.mark.parametrize("name", ["cohort.stage.json", "store/stage.json"])
def test_records_of_the_old_layout_are_refused_and_left_alone(study, name, layout, line):
    values = json.loads((study / name).read_text())
    values.pop("layout")
    (study / name).write_text(json.dumps(values if layout is None else {**values, "layout": layout}))
    toml = study / "study.toml"
    toml.write_text(toml.read_text().replace("[judges]", f"[judges]\n{line}"))
    before = tree(study)
    for words in (("status",), ("run",), ("run", "--dry-run")):
        refused(run(words[0], study, *words[1:]), "older version", "unpersonal init")
    assert tree(study) == before


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
@pytest.mark.parametrize("ends", ["\n", "\r\n"])
def test_study_toml_is_read_as_editors_save_it(study, encoding, ends):
    toml = study / "study.toml"
    toml.write_bytes(toml.read_text().replace("\n", ends).encode(encoding))
    assert json.loads(run("status", study, "--json").stdout)["encode"] == "fresh"


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
def test_a_study_toml_of_which_nobody_knows_the_letters_is_refused(study, encoding):
    toml = study / "study.toml"
    toml.write_bytes(toml.read_text().encode(encoding))
    refused(run("status", study), "study.toml")


def test_a_study_toml_that_is_a_folder_is_refused(study):
    (study / "study.toml").unlink()
    (study / "study.toml").mkdir()
    refused(run("status", study), "no study")


# ---- folders that cannot be written, or read ----

LOCKED: dict[str, int | str] = {}
WRITES = {"os.mkdir": 0, "os.remove": 0, "os.rename": 0, "os.rmdir": 0, "os.symlink": 1, "os.truncate": 0, "os.link": 1}


def refuse_writes(event: str, values: tuple[object, ...]) -> None:
    """An audit hook: below a folder that is locked nothing is written, as on a read-only file system."""
    if not LOCKED:
        return
    if event == "open":
        path, mode, flags = values
        writes = bool(set("wax+") & set(mode or "")) if isinstance(mode, str) else bool(int(flags) & 3)  # type: ignore[call-overload]
    elif event in WRITES:
        path, writes = values[WRITES[event]], True
    else:
        return
    if writes and isinstance(path, str | os.PathLike) and str(path).startswith(str(LOCKED["path"])):
        number = int(LOCKED["errno"])
        raise OSError(number, os.strerror(number), os.fspath(path))


sys.addaudithook(refuse_writes)


@pytest.fixture
def locked(study):
    def lock(number: int, path: Path = study) -> Path:
        LOCKED.update(path=str(path), errno=number)
        return study

    yield lock
    LOCKED.clear()


@pytest.mark.parametrize("number", [errno.EROFS, errno.EACCES, errno.EPERM])
def test_a_study_that_cannot_be_written_is_read_and_not_run(locked, number):
    study = locked(number)
    with pytest.raises(OSError):
        (study / "x").write_text("the lock of this test holds")
    assert json.loads(run("status", study, "--json").stdout)["encode"] == "fresh"
    assert run("status", study).exit_code == 0
    plan = run("run", study, "--dry-run")
    assert plan.exit_code == 0 and "diffusion   runs (missing)" in plan.stdout
    refused(run("run", study), os.strerror(number), str(study))
    refused(run("run", study, "--until", "cohort"), os.strerror(number))


@pytest.mark.parametrize("number", [errno.EROFS, errno.EACCES])
@pytest.mark.parametrize("words", [("phantom", "--subjects", "3"), ("demo",), ("init",)])
def test_what_makes_a_folder_says_where_it_cannot(locked, made, number, words):
    folder = locked(number) / "new"
    more = ("--images", made / "images", "--subject", SUBJECT, "--preset", "tiny") if words == ("init",) else ()
    refused(run(words[0], folder, *words[1:], *more), os.strerror(number))


@pytest.mark.parametrize("where", ["file", "below a file", "read-only", "full"])
def test_an_audit_looks_at_its_output_before_it_reads_an_image(locked, study, made, monkeypatch, where):
    def never(*_, **__):
        raise AssertionError("an image was read")

    monkeypatch.setattr("unpersonal.layouts.pictures.find_pictures", never)
    (study / "mine").write_text("x")
    out = {"file": study / "mine", "below a file": study / "mine" / "out"}.get(where, study / "out")
    if where in ("read-only", "full"):
        locked(errno.EROFS if where == "read-only" else errno.ENOSPC)
    sets = [word for name in ("train", "control", "synthetic") for word in (f"--{name}", made / "images")]
    refused(run("audit", *sets, "--subject", "file", "--out", out), str(out))
    assert (study / "mine").read_text() == "x" and not (study / "out").exists()


def test_a_file_of_a_study_that_cannot_be_read_is_named(study, monkeypatch):
    real = open

    def closed(path, *given, **named):
        if str(path).endswith("images.npy"):
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return real(path, *given, **named)

    monkeypatch.setattr("builtins.open", closed)
    refused(run("status", study), "Permission denied", "images.npy")


def test_a_file_system_without_locks_is_not_another_process(study, made, tmp_path, monkeypatch):
    def unknown(*_):
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))

    monkeypatch.setattr("unpersonal.core.places.fcntl.flock", unknown)
    before = tree(study)
    refused(run("run", study), "cannot lock files")
    assert tree(study) == before
    words = ("--images", made / "images", "--subject", SUBJECT, "--preset", "tiny")
    refused(run("init", tmp_path / "new", *words), "cannot lock files")
    assert not list(tmp_path.glob("*new*"))


# ---- terminals, outputs and working directories ----

COMMANDS = {"status": (), "run": ("--until", "cohort"), "run --json": ("--until", "cohort", "--json"), "--help": ()}


def words_of(command: str, study: Path) -> tuple[object, ...]:
    return ("--help",) if command == "--help" else (command.split()[0], study, *COMMANDS[command])


@pytest.mark.parametrize("command", COMMANDS)
def test_an_output_that_takes_nothing_is_told(study, command):
    with open("/dev/full", "w") as full:
        done = process(*words_of(command, study), stdout=full)
    assert done.returncode == 2 and "Traceback" not in done.stderr and "Exception ignored" not in done.stderr
    assert "No space left on device" in done.stderr.splitlines()[-1]


@pytest.mark.parametrize("command", COMMANDS)
def test_a_reader_that_has_gone_is_no_error(study, command):
    reading, writing = os.pipe()
    os.close(reading)
    done = process(*words_of(command, study), stdout=writing)
    os.close(writing)
    told = [line for line in done.stderr.splitlines() if line not in ("cohort: fresh", "")]
    assert done.returncode != 0 and told == []


PLAIN = {"LC_ALL": "C", "LANG": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("terminal", "label"),
    [({"PYTHONIOENCODING": "ascii"}, "Größe ↑"), ({"PYTHONIOENCODING": "latin-1"}, "Größe ↑"), (PLAIN, "plain")],
)
def test_a_terminal_of_few_letters_is_no_error(made, tmp_path, terminal, label):
    shutil.copytree(made / "images", tmp_path / "images")
    (tmp_path / "images" / label).mkdir()
    for number, path in enumerate(sorted((tmp_path / "images" / "Cardiomegaly").iterdir())[:20]):
        path.rename(tmp_path / "images" / label / f"sub-9{number:04d}_0.png")
    new = tmp_path / "study"

    def done(*words: object) -> str:
        found = process(*words, env={**os.environ, **terminal}, stdout=subprocess.PIPE)
        assert found.returncode == 0 and "Traceback" not in found.stderr, found.stderr
        return found.stdout

    words = ("--images", tmp_path / "images", "--layout", "folder", "--subject", SUBJECT, "--preset", "tiny")
    assert "20" in done("init", new, *words)
    assert "cohort" in done("run", new, "--until", "cohort")
    toml = new / "study.toml"
    toml.write_text(toml.read_text(encoding="utf-8").replace("seed = 0", "seed = 1"), encoding="utf-8")
    assert re.search(r"stale \(study.toml: seed 0 \S+ 1\)", done("status", new))


def test_names_that_the_locale_cannot_read_are_refused_in_one_message(made, tmp_path):
    shutil.copytree(made / "images", tmp_path / "images")
    (tmp_path / "images" / "Cardiomegaly").rename(tmp_path / "images" / "Größe ↑")
    words = ("--images", tmp_path / "images", "--layout", "folder", "--subject", SUBJECT, "--preset", "tiny")
    done = process("init", tmp_path / "study", *words, env={**os.environ, **PLAIN}, stdout=subprocess.PIPE)
    assert done.returncode == 2 and "not plain text" in done.stderr and "Traceback" not in done.stderr


@pytest.mark.parametrize("words", [("status", "{study}"), ("init", "x", "--images", "y"), ("verify", "x"), ("demo",)])
def test_a_working_directory_that_has_gone_is_told(study, tmp_path, words):
    (tmp_path / "gone").mkdir()
    code = f"import os; os.chdir({str(tmp_path / 'gone')!r}); os.rmdir({str(tmp_path / 'gone')!r}); {ENTRY}"
    command = [sys.executable, "-c", code, *(word.format(study=study) for word in words)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2 and "Traceback" not in done.stderr, done.stderr
    assert "does not exist any more" in done.stderr


def test_a_study_whose_images_were_moved_is_as_fresh_as_before(moved, tmp_path):
    (tmp_path / "images").rename(tmp_path / "elsewhere")
    toml = moved / "study.toml"
    toml.write_text(toml.read_text().replace(str(tmp_path / "images"), str(tmp_path / "elsewhere")))
    before = tree(moved)
    assert json.loads(run("status", moved, "--json").stdout)["encode"] == "fresh"
    run("run", moved, "--until", "encode")
    assert {name: tree(moved).get(name) for name in before} == before
    (tmp_path / "elsewhere" / "more.png").write_bytes(next((tmp_path / "elsewhere").rglob("*.png")).read_bytes())
    assert json.loads(run("status", moved, "--json").stdout)["encode"] == "stale"


@pytest.mark.parametrize("target", ["disk", "absent/deep"], ids=["an empty folder", "nowhere yet"])
def test_what_is_made_through_a_link_is_made_where_it_leads(made, tmp_path, target):
    """As people link a large disk: the folder of a study, of a phantom."""
    (tmp_path / "disk").mkdir()
    words = ("--layout", "folder", "--subject", SUBJECT, "--preset", "tiny")
    for name, command in (
        ("study", ("init", tmp_path / "study", "--images", made / "images", *words)),
        ("people", ("phantom", tmp_path / "people", "--subjects", 3)),
    ):
        place = tmp_path / target / name
        (tmp_path / name).symlink_to(place)
        if target == "disk":
            place.mkdir()
        done = run(*command)
        assert done.exit_code == 0, done.output
        assert (tmp_path / name).is_symlink() and any(place.iterdir())
    assert run("status", tmp_path / "study").exit_code == 0


@pytest.mark.parametrize(
    "words",
    [
        ("status", "CIRCLE"),
        ("run", "CIRCLE"),
        ("verify", "CIRCLE"),
        ("withdraw", "CIRCLE", "--reason", "x"),
        ("export", "CIRCLE", "--to", "nifti", "new"),
        ("phantom", "CIRCLE", "--subjects", 3),
        ("demo", "CIRCLE"),
        ("init", "CIRCLE", "--images", "IMAGES", "--subject", SUBJECT),
        ("init", "new", "--images", "CIRCLE", "--subject", SUBJECT),
        ("metrics", "--real", "CIRCLE", "--synthetic", "IMAGES"),
        ("match", "IMAGES", "CIRCLE"),
        ("utility", "--train", "CIRCLE", "--test", "IMAGES"),
        ("audit", "--train", "CIRCLE", "--control", "IMAGES", "--synthetic", "IMAGES", "--out", "new"),
        ("audit", "--train", "IMAGES", "--control", "IMAGES", "--synthetic", "IMAGES", "--out", "CIRCLE"),
    ],
    ids=lambda words: " ".join(str(word) for word in words[:4] if str(word) != SUBJECT),
)
def test_a_link_that_leads_round_in_a_circle_is_no_place(made, tmp_path, words):
    circle = tmp_path / "circle"
    circle.symlink_to(circle)
    given = {"CIRCLE": circle, "IMAGES": made / "images", "new": tmp_path / "new"}
    refused(run(*(given.get(word, word) for word in words)))
    assert circle.is_symlink() and not (tmp_path / "new").exists()
