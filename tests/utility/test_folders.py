"""The cross-dataset matrix on pictures whose labels are known, with a stand-in for the classifier."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import unpersonal
from unpersonal.core.errors import InputError
from unpersonal.images.preprocess import PreprocessConfig
from unpersonal.utility.folders import _names, utility_folders
from unpersonal.utility.matrix_figures import MatrixFigures
from unpersonal.utility.sides import Question, read_labelled

SUBJECT = r"(?P<subject>p\d+)"


class Means:
    """Softmax over negative squared distances to the class means."""

    def __init__(self, images: np.ndarray, targets: np.ndarray, seed: int) -> None:
        flat = images.reshape(len(images), -1) / 255.0
        self.centres = np.stack([flat[targets[:, c] > 0.5].mean(axis=0) for c in range(targets.shape[1])])
        self.centres = self.centres + 1e-3 * np.random.default_rng(seed % 2**32).normal(size=self.centres.shape)

    def probabilities(self, images: np.ndarray) -> np.ndarray:
        logits = -((images.reshape(len(images), 1, -1) / 255.0 - self.centres[None]) ** 2).sum(axis=2)
        odds = np.exp(logits - logits.max(axis=1, keepdims=True))
        return (odds / odds.sum(axis=1, keepdims=True)).astype(np.float32)


class Recorder:
    """A trainer that remembers what it was given."""

    def __init__(self) -> None:
        self.learnt: list[set[bytes]] = []
        self.looked: list[set[bytes]] = []

    def __call__(self, images: np.ndarray, targets: np.ndarray, config: Any, **options: Any) -> tuple[Any, None]:
        keys = {image.tobytes() for image in (*images, *options["held_out"][0])}
        self.learnt.append(keys)
        model, looked = Means(images, targets, options["seed"]), self.looked

        class Seen:
            def probabilities(self, pictures: np.ndarray) -> np.ndarray:
                looked.append({picture.tobytes() for picture in pictures})
                return model.probabilities(pictures)

        return Seen(), None


def write(
    folder: Path, people: int, seed: int, *, labels: tuple[str, ...] = ("ill", "well"), shuffle: bool = False
) -> Path:
    """Two pictures 32 x 32 of everybody in folders by label: noise, and a bright stripe where the label says."""
    rng = np.random.default_rng(seed)
    for person in range(people):
        truth = person % len(labels)
        said = int(rng.integers(len(labels))) if shuffle else truth
        for visit in range(2):
            pixels = rng.normal(110, 30, (32, 32))
            pixels[8 * truth : 8 * truth + 6] += 5
            path = folder / labels[said] / f"p{seed}{person:03d}_{visit}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8)).save(path)
    return folder


def release(folder: Path, people: int, seed: int) -> Path:
    """The same pictures as a release: opaque names, and labels in a table."""
    rng, rows = np.random.default_rng(seed), ["file,label"]
    (folder / "images").mkdir(parents=True)
    for number in range(2 * people):
        truth, pixels = number % 2, rng.normal(110, 30, (32, 32))
        pixels[8 * truth : 8 * truth + 6] += 5
        Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8)).save(folder / "images" / f"img-{number:06d}.png")
        rows.append(f"img-{number:06d}.png,{('ill', 'well')[truth]}")
    (folder / "labels.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    (folder / "README.md").write_text("# a card\n", encoding="utf-8")
    return folder


def measure(train: Any, test: Any, trainer: Any = None, **options: Any) -> MatrixFigures:
    given: dict[str, Any] = {"subject": SUBJECT, "size": 32, "seeds": 2, "trainer": trainer or Recorder()}
    return utility_folders(train, test, **{**given, **options})


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("matrix")
    for seed, name in enumerate(("a", "b"), start=1):
        write(root / name, 100, seed)
    release(root / "r", 100, 7)
    write(root / "shuffled", 200, 8, shuffle=True)
    return root


def test_alike_data_sets_match_and_shuffled_labels_are_chance(folders: Path) -> None:
    figures = measure(folders / "a", [folders / "b", folders / "shuffled"], synthetic=folders / "r")
    for train in ("a", "r"):
        assert figures.cell(train, "b").auroc > 0.85
        low, high = figures.cell(train, "shuffled").auroc_interval or (1.0, 0.0)
        assert low < 0.5 < high < 0.65
    low, high = figures.cell("a", "b").auroc_interval or (1.0, 0.0)
    assert low < figures.cell("a", "b").auroc < high
    assert [cell.synthetic for cell in figures.cells] == [False, False, True, True]
    gap = figures.gaps[0]
    assert gap.gap == pytest.approx(figures.cell("a", "b").auroc - figures.cell("r", "b").auroc)
    assert gap.gap_interval is not None and gap.gap_interval[0] < 0.02 and gap.gap_upper < 0.08
    assert figures.gaps[1].test == "shuffled" and figures.gaps[1].gap_upper <= 1
    told = [(side.side, side.role, side.release, side.subjects_known) for side in figures.sides]
    assert told == [
        ("a", "train", False, True),
        ("r", "synthetic", True, False),
        ("b", "test", False, True),
        ("shuffled", "test", False, True),
    ]
    assert figures == measure(folders / "a", [folders / "b", folders / "shuffled"], synthetic=folders / "r")


def test_nobody_is_tested_who_was_learnt_from(folders: Path, tmp_path: Path) -> None:
    """On the diagonal by people; and of a test set that holds pictures that were learnt from, all of their people."""
    trainer = Recorder()
    some = tmp_path / "some"
    write(some, 30, 1)  # the first people of `a`
    write(some, 40, 9)
    figures = measure([folders / "a", folders / "b"], [folders / "a", folders / "b", some], trainer)
    learnt, looked = set().union(*trainer.learnt), set().union(*trainer.looked)
    assert len(trainer.learnt) == 4
    sides = {side.side: side for side in figures.sides}
    assert (sides["a"].role, sides["a"].trained, sides["a"].tested) == ("train and test", 140, 60)
    # 21 or so of the thirty people were learnt from; the others lie on the side `a` too, and are tested on
    assert 80 <= sides["some"].tested < 140
    tests = looked - learnt
    assert len(tests) >= sides["a"].tested + sides["b"].tested
    assert any("of its people are kept for the test" in note for note in figures.notes)
    assert any("were left out" in note for note in figures.notes)
    # one picture of a person betrays the other: a person of `a` is wholly on one side
    assert {cell.test for cell in figures.cells} == {"a", "b", "some"} and len(figures.cells) == 6


def test_without_subjects_a_data_set_is_divided_by_picture_and_says_so(folders: Path) -> None:
    figures = measure(folders / "a", folders / "a", subject=None)
    assert any("pictures (nobody says who is on them)" in note for note in figures.notes)
    assert not figures.sides[0].subjects_known and figures.sides[0].trained == 140
    with pytest.raises(InputError, match="finds nobody"):
        measure(folders / "a", folders / "b", subject=r"(?P<subject>nobody\d+)")
    with pytest.raises(InputError, match="finds no subject"):
        measure(folders / "a", folders / "b", subject=r"(?P<subject>p1\d+_0)")


def test_only_common_labels_are_compared_and_the_others_named(folders: Path, tmp_path: Path) -> None:
    other = write(tmp_path / "other", 90, 5, labels=("ill", "well", "odd"))
    figures = measure(folders / "a", other)
    assert figures.labels == ("ill", "well") and set(figures.cells[0].auroc_by_label) == {"ill", "well"}
    assert figures.sides[1].left_out == ("odd",) and any("odd" in note for note in figures.notes)
    # a picture of another label has none of the common ones, and stays
    assert figures.sides[1].tested == 180
    with pytest.raises(InputError, match="No label is on all sides"):
        measure(folders / "a", write(tmp_path / "none", 30, 6, labels=("x", "y")))


def test_every_file_is_accounted_for(folders: Path, tmp_path: Path) -> None:
    side = write(tmp_path / "side", 30, 4)
    (side / "ill" / "broken.png").write_bytes(b"broken")
    (side / "ill" / "notes.txt").write_text("notes", encoding="utf-8")
    (told,) = (side for side in measure(folders / "a", side, subject=None).sides if side.side == "side")
    assert (told.found, told.read, told.refused, told.ignored) == (62, 60, 1, 1)
    assert sum(told.refused_by_reason.values()) == 1


def test_tables_and_labels_elsewhere(folders: Path, tmp_path: Path) -> None:
    flat, rows = tmp_path / "flat", ["file,label,subject"]
    flat.mkdir()
    for path in sorted((folders / "b").rglob("*.png")):
        (flat / path.name).write_bytes(path.read_bytes())
        rows.append(f"{path.name},{path.parent.name},{path.name[:5]}")
    table = tmp_path / "table.csv"
    table.write_text("\n".join(rows) + "\n", encoding="utf-8")
    (flat / "own.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    expected = measure(folders / "a", folders / "b", subject=None).cells[0].auroc
    for test, labels in ((flat, ["folder", str(table)]), (flat / "own.csv", [])):
        figures = measure(folders / "a", test, subject=None, labels=labels)
        assert figures.cells[0].auroc == pytest.approx(expected) and figures.sides[1].subjects_known
    by_name = measure(folders / "a", folders / "b", subject=None, labels=r"(?P<label>ill|well)/")
    assert by_name.cells[0].auroc == pytest.approx(expected)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"synthetic": ["r", "b"]}, "2 synthetic and 1 real"),
        ({"labels": ["folder"] * 3}, "3 times --labels"),
        ({"labels": "absent.csv"}, "no such table"),
        ({"size": 8}, "size"),
        ({"network": "nobody's"}, "no network"),
        ({"test": ["b", "b"]}, "named twice"),
        ({"test": "absent"}, "no such file"),
        ({"test": []}, "Nothing to train"),
        ({"subject": "("}, "subject"),
    ],
)
def test_wrong_input_is_refused(folders: Path, options: dict[str, Any], said: str) -> None:
    def full(given: Any) -> Any:
        return [folders / name for name in given] if isinstance(given, list) else folders / given

    test = full(options.pop("test", "b"))
    if "synthetic" in options:
        options["synthetic"] = full(options["synthetic"])
    with pytest.raises(InputError, match=said):
        measure(folders / "a", test, **options)


def test_the_room_is_the_verb(folders: Path) -> None:
    options: dict[str, Any] = {"subject": SUBJECT, "size": 32, "seeds": 1, "steps": 1}
    figures = unpersonal.utility(folders / "a", folders / "b", **options)
    assert figures == utility_folders(folders / "a", folders / "b", **options)
    assert MatrixFigures.from_json(figures.to_json(), where="here") == figures


def test_no_name_of_a_side_leads_out_of_the_folder_of_its_checkpoints():
    assert _names([Path("/images"), Path("/a/images"), Path("/b/images")]) == ["images", "a/images", "b/images"]


def sides_of(path: Path) -> Any:
    return read_labelled(path, "side", "--test", Question(None, None, "auto", PreprocessConfig(size=32)))


@pytest.mark.parametrize("within", ["", "release/", "a/b/"])
def test_a_zip_of_a_release_is_read_as_its_folder(tmp_path: Path, within: str) -> None:
    folder = release(tmp_path / "r", 6, 3)
    (folder / "manifest.json").write_text("{}")
    (folder / "images" / "left-over.png").write_bytes((folder / "images").joinpath("img-000001.png").read_bytes())
    with zipfile.ZipFile(tmp_path / "r.zip", "w") as zipped:
        for path in sorted(folder.rglob("*")):
            zipped.write(path, within + path.relative_to(folder).as_posix())
    one, other = sides_of(folder), sides_of(tmp_path / "r.zip")
    assert one.release and other.release and other.path == tmp_path / "r.zip"
    for name in ("labels", "known", "refused", "ignored", "ignored_by", "notes"):
        assert getattr(one, name) == getattr(other, name), name
    assert one.ignored_by == {".json": 1, ".md": 1, ".png": 1} and one.ignored == 3
    with zipfile.ZipFile(tmp_path / "r.zip", "a") as zipped:
        zipped.writestr("elsewhere/person.png", (folder / "images" / "img-000001.png").read_bytes())
    assert sides_of(tmp_path / "r.zip").ignored_by == {".json": 1, ".md": 1, ".png": 2}
    assert np.array_equal(one.images, other.images) and one.groups.tolist() == other.groups.tolist()


def test_a_file_of_a_zipped_release_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    folder = release(tmp_path / "r", 6, 3)
    with zipfile.ZipFile(tmp_path / "r.zip", "w") as zipped:
        zipped.write(folder / "labels.csv", "labels.csv")
        for path in (folder / "images").iterdir():
            zipped.writestr(f"images/{path.name}", b"" if path.name == "img-000001.png" else path.read_bytes())
    with pytest.raises(InputError, match="img-000001") as refusal:
        sides_of(tmp_path / "r.zip")
    assert refusal.value.where and "--test" in refusal.value.where
