"""The engine with toy stages: freshness by brute force, kill and resume, what is withdrawn, and what is said."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from itertools import combinations
from pathlib import Path

import pytest

from unpersonal.core.config import Config
from unpersonal.core.errors import InputError, PolicyRefused
from unpersonal.core.figures import Figures
from unpersonal.core.hashing import sha256_bytes, sha256_file
from unpersonal.core.stages import Context, SeededConfig, Stage
from unpersonal.engine import Engine, changes, told

SHARDS = 4


class Nested(Config):
    """A table in a table."""

    depth: int = 1


class Table(Config):
    """A stage's table."""

    value: int = 0
    inner: Nested = Nested()


class ToyConfig(SeededConfig):
    """A table for each toy stage."""

    a: Table = Table()
    b: Table = Table()
    c: Table = Table()
    d: Table = Table()


@dataclass(frozen=True, kw_only=True)
class ToyFigures(Figures):
    """What a toy stage tells."""

    made: int


class Interrupted(BaseException):
    """Stands for a kill."""


INPUTS = {"a": (), "b": ("a",), "c": ("a",), "d": ("b", "c"), "published": ("d",)}
TABLES = {"a": ("a",), "b": ("b",), "c": ("c",), "d": ("d", "b"), "published": ()}


@dataclass
class Toys:
    """Toy stages that write four shards and a sum; the class notes which ran, and stops where a test says so."""

    path: Path
    config: ToyConfig = field(default_factory=ToyConfig)
    ran: list[str] = field(default_factory=list)
    stop: tuple[str, int] | None = None
    refuses: str = ""
    wrong: str = ""
    plugin: str = ""
    late: bool = True
    foresees: tuple[str, ...] = ()
    foreseen: list[str] = field(default_factory=list)

    def foresee(self, context: Context[ToyConfig]) -> None:
        """What stage d can tell as soon as those are there that it foresees by."""
        self.foreseen += [name for name in INPUTS if (context.path / name / "sum.txt").exists()]
        if context.config.d.value < 0:
            raise InputError("d would be refused")

    def run(self, name: str, context: Context[ToyConfig]) -> ToyFigures:
        if name == self.refuses:
            raise PolicyRefused([f"{name} refuses"])
        if name == self.wrong:
            raise InputError("wrong")
        context.begin()
        self.ran.append(name)
        folder = context.path / name
        folder.mkdir(exist_ok=True)
        made = 0
        read = [context.path / other / "sum.txt" for other in INPUTS[name]]
        if name == "c":
            read.append(context.path.parent / "outside.txt")
        content = [sha256_file(path) for path in read]
        content += [str(context.seed), *(str(getattr(context.config, table)) for table in TABLES[name])]
        for shard in range(SHARDS):
            if self.stop == (name, shard):
                raise Interrupted
            path = folder / f"shard-{shard}.txt"
            if not path.exists():
                path.write_text(sha256_bytes(f"{shard}{content}".encode()))
                made += 1
        shards = [(folder / f"shard-{shard}.txt").read_text() for shard in range(SHARDS)]
        (folder / "sum.txt").write_text(sha256_bytes("".join(shards).encode()))
        return ToyFigures(made=made)

    def outside(self, name: str, context: Context[ToyConfig]) -> dict[str, str]:
        if name != "c":
            return {}
        path = context.path.parent / "outside.txt"
        if not path.is_file():
            raise InputError("The disk is not there", where=str(path))
        return {"outside.txt": sha256_file(path)}

    def withdraw(self, study: Path) -> None:
        for path in (study / "published").glob("*.txt"):
            path.unlink()

    @property
    def engine(self) -> Engine[ToyConfig]:
        stages = tuple(
            Stage(
                name=name,
                tables=TABLES[name],
                inputs=INPUTS[name],
                outputs=(name,),
                record=f"{name}/stage.json",
                figures=ToyFigures,
                run=lambda context, name=name: self.run(name, context),
                fingerprint=lambda context, name=name: self.outside(name, context),
                withdraw=self.withdraw if name == "published" else None,
                sealed=name == "published",
                reads_first=self.late,
                foresees=self.foresees if name == "d" else (),
                foresee=self.foresee if name == "d" and self.foresees else None,
            )
            for name in INPUTS
        )
        plugins = {"b": [{"kind": "attack", "name": "theirs", "sha256": self.plugin}]} if self.plugin else {}
        return Engine(
            Context(self.path, self.config, stages, "cpu", plugins_of=lambda stage: plugins.get(stage.name, ()))
        )

    def words(self) -> dict[str, str]:
        return {name: state.word for name, state in self.engine.states().items()}

    def why(self) -> dict[str, str]:
        return {name: state.reason for name, state in self.engine.states().items() if state.word != "fresh"}


def content(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def made(folder: Path) -> dict[str, bytes]:
    """What the stages made: their files without records, which hold seconds."""
    return {name: data for name, data in content(folder).items() if name.endswith(".txt")}


@pytest.fixture
def toys(tmp_path: Path) -> Toys:
    (tmp_path / "study").mkdir()
    (tmp_path / "outside.txt").write_text("one")
    return Toys(tmp_path / "study")


def below(stale: set[str]) -> set[str]:
    found = set(stale)
    for name, inputs in INPUTS.items():
        if found & set(inputs):
            found.add(name)
    return found


def change_key(table: str):
    def change(toys: Toys) -> None:
        toys.config = toys.config.model_copy(update={table: Table(value=7)})

    return change


def write(name: str, text: str):
    def change(toys: Toys) -> None:
        (toys.path / name).write_text(text)

    return change


def remove(name: str):
    return lambda toys: (toys.path / name).unlink()


CHANGES = {
    "key of a": (change_key("a"), {"a"}),
    "key of b, which d reads too": (change_key("b"), {"b", "d"}),
    "file of a": (write("a/sum.txt", "altered"), {"a"}),
    "no shard of c": (remove("c/shard-2.txt"), {"c"}),
    "outside": (write("../outside.txt", "two"), {"c"}),
    "no record of d": (remove("d/stage.json"), {"d"}),
    "litter": (write("a/.DS_Store", "x"), set()),
    "a note": (write("b/notes.txt", "mine"), set()),
    "a note in what was published": (write("published/notes.txt", "mine"), {"published"}),
}


@pytest.mark.parametrize("count", [0, 1, 2, pytest.param(3, marks=pytest.mark.slow), len(CHANGES)])
def test_every_set_of_changes_makes_stale_what_it_must_and_a_run_mends_it(toys, tmp_path, count):
    scratch: dict[str, dict[str, bytes]] = {}
    for number, names in enumerate(combinations(CHANGES, count)):
        one = Toys(tmp_path / f"study {number}" / "study")
        one.path.mkdir(parents=True)
        (one.path.parent / "outside.txt").write_text("one")
        one.engine.run()
        assert set(one.words().values()) == {"fresh"} and one.ran == list(INPUTS)
        stale: set[str] = set()
        for name in names:
            CHANGES[name][0](one)
            stale |= CHANGES[name][1]
        words = one.words()
        assert {name for name, word in words.items() if word != "fresh"} == below(stale), names
        assert (words["d"] == "missing") == ("no record of d" in names)
        one.ran.clear()
        one.engine.run()
        # a stage whose inputs came out as they were is left alone
        assert stale <= set(one.ran) <= below(stale), names
        assert set(one.words().values()) == {"fresh"}, names
        # as from scratch, with what is nobody's still there
        wanted = str((one.config, (one.path.parent / "outside.txt").read_text()))
        if wanted not in scratch:
            new = replace(one, path=one.path.parent / "new", ran=[])
            new.path.mkdir()
            new.engine.run()
            scratch[wanted] = made(new.path)
        note = {"b/notes.txt": b"mine"} if "a note" in names and "b" not in one.ran else {}
        assert made(one.path) == {**scratch[wanted], **note}, names
        assert ("litter" in names) == (one.path / "a/.DS_Store").exists()


def test_nothing_runs_twice_and_no_byte_of_a_fresh_study_changes(toys):
    toys.engine.run()
    before = content(toys.path)
    toys.ran.clear()
    toys.engine.run()
    assert toys.ran == [] and content(toys.path) == before


@pytest.mark.slow
@pytest.mark.parametrize("name", INPUTS)
@pytest.mark.parametrize("shard", range(SHARDS))
def test_an_interrupted_stage_goes_on_to_the_same_bytes(toys, tmp_path, name, shard):
    whole = Toys(tmp_path / "whole" / "study")
    whole.path.mkdir(parents=True)
    (tmp_path / "whole" / "outside.txt").write_text("one")
    whole.engine.run()
    toys.stop = (name, shard)
    with pytest.raises(Interrupted):
        toys.engine.run()
    assert toys.words()[name] == "missing"
    toys.stop = None
    toys.engine.run()
    assert made(toys.path) == made(whole.path)
    record = json.loads((toys.path / name / "stage.json").read_text())
    assert record["figures"] == {"made": SHARDS - shard}, "shards that were there are not made again"


def test_what_an_interrupted_stage_left_is_not_used_under_other_settings(toys):
    toys.stop = ("b", 2)
    with pytest.raises(Interrupted):
        toys.engine.run()
    (toys.path / "b" / ".hidden").write_text("mine")
    (toys.path / "b" / ".shard.123.tmp.txt").write_text("half")
    toys.stop, toys.config = None, ToyConfig(b=Table(value=1))
    toys.engine.run()
    assert json.loads((toys.path / "b" / "stage.json").read_text())["figures"] == {"made": SHARDS}
    assert (toys.path / "b" / ".hidden").exists() and not (toys.path / "b" / ".shard.123.tmp.txt").exists()


def test_reasons_name_the_key_the_file_or_the_stage(toys):
    toys.engine.run()
    toys.config = ToyConfig(a=Table(value=3, inner=Nested(depth=2)))
    assert toys.why() == {
        "a": "study.toml: [a] value 0 → 3, [a.inner] depth 1 → 2",
        "b": "a is stale",
        "c": "a is stale",
        "d": "b is stale",
        "published": "d is stale",
    }
    toys.engine.run(until="a")
    assert toys.why()["b"] == "a ran anew" and toys.why()["d"] == "b is stale"
    toys.engine.run()
    (toys.path / "b" / "sum.txt").write_text("x")
    assert toys.why()["b"] == "b/sum.txt was altered"
    (toys.path / "b" / "sum.txt").unlink()
    assert toys.why()["b"] == "b/sum.txt is gone"
    (toys.path.parent / "outside.txt").write_text("x")
    assert toys.why()["c"] == "outside.txt changed"
    (toys.path / "a" / "stage.json").unlink()
    assert toys.why()["a"] == "" and toys.why()["c"] == "a is missing, outside.txt changed"


def test_what_another_version_made_is_told_apart_from_what_somebody_changed(toys):
    toys.engine.run()
    record = toys.path / "a" / "stage.json"
    made = json.loads(record.read_text())
    del made["config"]["a"]["value"]
    made["config"]["a"]["older"] = 1
    made["versions"]["unpersonal"] = "0.0.1"
    record.write_text(json.dumps(made))
    why = toys.why()["a"]
    assert "study.toml" not in why and "unpersonal 0.0.1 (this is " in why
    assert "[a] value = 0 is new" in why and "[a] older is gone" in why
    toys.config = ToyConfig(a=Table(inner=Nested(depth=2)))
    assert toys.why()["a"].startswith("study.toml: [a.inner] depth 1 → 2; made by unpersonal 0.0.1")


def test_the_run_says_why_before_it_clears_or_withdraws(toys, capsys):
    toys.engine.run()
    capsys.readouterr()
    toys.config = ToyConfig(d=Table(value=3))
    toys.stop = ("d", 0)
    with pytest.raises(Interrupted):
        toys.engine.run()
    said = capsys.readouterr().err.splitlines()
    assert "d: stale (study.toml: [d] value 0 → 3)" in said and "published: withdrawn (d runs anew)" in said
    assert said.index("d: stale (study.toml: [d] value 0 → 3)") < said.index("published: withdrawn (d runs anew)")
    assert not list((toys.path / "published").iterdir())


@pytest.mark.parametrize("late", [False, True])
def test_what_was_published_goes_with_any_stage_that_it_builds_on(toys, late):
    toys.late = late
    toys.engine.run()
    for name in ("a", "b", "c", "d"):
        (toys.path / name / "stage.json").unlink()
        toys.stop = (name, 0)
        with pytest.raises(Interrupted):
            toys.engine.run()
        assert not (toys.path / "published" / "sum.txt").exists(), name
        toys.stop = None
        toys.engine.run()
        assert (toys.path / "published" / "sum.txt").exists()


def test_an_input_that_cannot_be_read_costs_nothing(toys):
    toys.engine.run()
    toys.config = ToyConfig(a=Table(value=1))
    before = content(toys.path)
    (toys.path.parent / "outside.txt").rename(toys.path.parent / "away.txt")
    toys.ran.clear()
    with pytest.raises(InputError, match="not there"):
        toys.engine.run()
    assert toys.ran == [] and content(toys.path) == before
    # a stage that is not asked for is not asked for its inputs
    toys.engine.run(until="a")
    assert toys.ran == ["a"]


def test_a_stage_that_reads_first_and_finds_it_wrong_costs_nothing(toys):
    toys.engine.run()
    before = content(toys.path)
    toys.config, toys.wrong = ToyConfig(a=Table(value=1)), "a"
    with pytest.raises(InputError):
        toys.engine.run()
    assert content(toys.path) == before
    toys.config = ToyConfig()
    assert set(toys.words().values()) == {"fresh"}


def test_what_is_known_only_afterwards_is_recorded(toys, monkeypatch):
    def fetched(self, name, context):
        path = context.path / "b" / "shard-0.txt"
        return {"fetched": sha256_file(path) if path.is_file() else ""} if name == "b" else {}

    monkeypatch.setattr(Toys, "outside", fetched)
    toys.engine.run()
    assert set(toys.words().values()) == {"fresh"}
    assert json.loads((toys.path / "b" / "stage.json").read_text())["inputs"]["fetched"]


def test_what_is_not_at_hand_any_more_is_taken_to_be_what_it_was(toys, monkeypatch):
    given = {"weights": "1"}
    monkeypatch.setattr(Toys, "outside", lambda self, name, context: given if name == "b" else {})
    toys.engine.run()
    for value, words in (("", "fresh"), ("1", "fresh"), ("2", "stale")):
        given["weights"] = value
        assert toys.words()["b"] == words


def test_another_plugin_makes_its_stage_and_those_below_stale(toys):
    toys.plugin = "1"
    toys.engine.run()
    record = json.loads((toys.path / "b" / "stage.json").read_text())
    assert record["plugins"] == [{"kind": "attack", "name": "theirs", "sha256": "1"}]
    toys.plugin = "2"
    assert toys.why()["b"] == "the attack theirs of a plug-in changed" and toys.words()["c"] == "fresh"
    toys.ran.clear()
    toys.engine.run()
    # the same bytes of another plug-in are another input of d; what builds on both is withdrawn, and made again
    assert toys.ran == ["b", "d", "published"]


def test_a_refusal_is_an_answer_and_the_stages_after_it_run(toys):
    toys.refuses = "c"
    (toys.path / "c").mkdir()
    (toys.path / "c" / "sum.txt").write_text("left")
    engine = toys.engine
    with pytest.raises(PolicyRefused, match="c refuses"):
        engine.run()
    assert toys.ran == ["a", "b", "d", "published"] and engine.context.reasons == ["c refuses"]
    assert toys.words()["c"] == "missing"
    toys.refuses = ""
    engine = toys.engine
    engine.run()
    assert engine.context.reasons == [] and set(toys.words().values()) == {"fresh"}


def test_figures_come_back_as_their_class_or_not_at_all(toys):
    assert toys.engine.context.figures("a") is None
    toys.engine.run()
    assert toys.engine.context.figures("a") == ToyFigures(made=SHARDS)
    path = toys.path / "a" / "stage.json"
    record = json.loads(path.read_text())
    path.write_text(json.dumps({**record, "figures": {"made": "four"}}))
    with pytest.raises(InputError, match="made"):
        toys.engine.context.figures("a")


WRONG: dict[str, tuple[str, object]] = {
    "wrong outputs": ("outputs", []),
    "a plug-in that is none": ("plugins", [1]),
    "a plug-in without a kind": ("plugins", [{"name": "theirs"}]),
    "no time": ("seconds", float("nan")),
}
TEXTS = {"no JSON": "{", "lists in lists": "[" * 200_000, "a long number": f'{{"layout": {"9" * 6000}}}'}


@pytest.mark.parametrize("change", ["older", "no layout", "no key", "a list", *TEXTS, *WRONG])
def test_records_that_are_not_ours_are_refused_and_left_alone(toys, change):
    toys.engine.run()
    path = toys.path / "a" / "stage.json"
    record = json.loads(path.read_text())
    values = {
        "older": {**record, "layout": 4},
        "no layout": {name: value for name, value in record.items() if name != "layout"},
        "no key": {name: value for name, value in record.items() if name != "key"},
        "a list": [],
        **{name: {**record, key: value} for name, (key, value) in WRONG.items()},
    }
    path.write_text(TEXTS[change] if change in TEXTS else json.dumps(values[change]))
    before = content(toys.path)
    with pytest.raises(InputError) as refusal:
        toys.engine.run()
    assert ("older version" in str(refusal.value)) == (change in ("older", "no layout", "a list"))
    assert refusal.value.how and content(toys.path) == before


def test_an_unknown_stage_is_refused(toys):
    with pytest.raises(InputError, match="a, b, c, d, published"):
        toys.engine.run(until="x")


def test_changes_are_told_in_few_words():
    before = {"seed": 0, "a": {"x": 1, "gone": 2, "y": {"z": [1]}}}
    after = {"seed": 1, "a": {"x": 1, "y": {"z": [1, 2]}, "new": "v" * 99}}
    found = list(changes(before, after))
    assert found[:2] == ["seed 0 → 1", "[a.y] z [1] → [1, 2]"] and found[3] == "[a] gone 2 → (not set)"
    assert found[2].startswith('[a] new (not set) → "vvv') and len(found[2]) < 70
    assert told(found).endswith("… and 1 more")
    assert list(changes(before, before)) == [] and told([]) == ""


def test_what_ends_a_stage_is_told_before_the_stages_between_begin(toys: Toys) -> None:
    toys.foresees, toys.config = ("a",), ToyConfig(d=Table(value=-1))
    for until in (None, "b", "a"):
        with pytest.raises(InputError, match="d would be refused"):
            toys.engine.run(until)
        assert toys.ran == ["a"] and toys.words()["a"] == "fresh"
    toys.config, toys.foreseen = ToyConfig(), []
    toys.engine.run()
    assert toys.ran == ["a", "b", "c", "d", "published"] and toys.foreseen == ["a"]
    released = content(toys.path / "published")
    toys.config = ToyConfig(d=Table(value=-1))
    with pytest.raises(InputError, match="d would be refused"):
        toys.engine.run()
    # refused before anything was withdrawn
    assert content(toys.path / "published") == released
