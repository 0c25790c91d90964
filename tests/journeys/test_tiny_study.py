"""A tiny study the whole way: resume after SIGKILL to the same bytes, freshness, verification, refusal."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tests.commands.conforming import conforms
from tests.studies import LOOSE, PEOPLE, call, change_settings, command, new_study
from unpersonal.cli import app
from unpersonal.phantom import write_phantom

pytestmark = pytest.mark.slow

STAGES = ["cohort", "encode", "features", "diffusion", "judges", "synthesis", "audit", "utility", "release", "report"]

FINDINGS = ("No Finding", "Pleural Effusion", "Cardiomegaly")
TRAINED = {name: value for name, value in LOOSE.items() if not name.startswith("policy.")}
"""Settings with which a study of `PEOPLE` runs, under the default policy."""


def tree(folder: Path) -> dict[str, bytes]:
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


@pytest.fixture(scope="module")
def images(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("phantom") / "images"
    write_phantom(folder, subjects=PEOPLE, seed=3, size=32, findings=FINDINGS)
    return folder


@pytest.fixture(scope="module")
def finished(tmp_path_factory, images) -> Path:
    """An uninterrupted study with a release."""
    study = new_study(tmp_path_factory.mktemp("whole") / "study", images, LOOSE)
    done = call("run", study, "--json")
    assert done.returncode == 0, done.stderr
    assert conforms("run", done.stdout)["release"]["released"] is True
    return study


def test_the_summary_has_what_others_rely_on(finished):
    summary = json.loads((finished / "summary.json").read_text())
    wanted = {
        "cohort": ("images", "subjects", "quarantined"),
        "synthesis": ("sources", "candidates", "released", "match_rate_before_gate"),
        "gate": ("threshold", "miss_rate", "miss_rate_upper", "false_flag_rate"),
        "audit": ("verdict", "advantage", "advantage_upper"),
        "utility": ("auroc_real", "auroc_synthetic", "gap", "gap_upper", "ceiling_auroc", "ceiling_gap_upper"),
        "metrics": ("irs", "fid"),
        "seconds": STAGES,
    }
    for table, keys in wanted.items():
        for key in keys:
            assert key in summary[table], (table, key)
    assert summary["cohort"]["subjects"] == PEOPLE
    gap = summary["utility"]["auroc_real"] - summary["utility"]["auroc_synthetic"]
    assert summary["utility"]["gap"] == pytest.approx(gap, abs=1e-9)


def test_the_ledger_and_the_release_agree(finished):
    import numpy as np
    import pandas as pd
    from PIL import Image

    ledger = pd.read_parquet(finished / "candidates" / "ledger.parquet")
    gate = json.loads((finished / "summary.json").read_text())["gate"]
    assert ledger.loc[~(ledger["score"] < gate["threshold"]), "by"].eq("re-identifier").all()
    assert (ledger["flagged"] == ledger["by"].ne("")).all() and set(ledger["by"]) <= {"", *gate["matchers"]}
    assert not (ledger["flagged"] & ledger["selected"]).any()
    released = {
        hashlib.sha256(np.asarray(Image.open(p))[None].tobytes()).hexdigest()
        for p in (finished / "release" / "images").iterdir()
    }
    assert released == set(ledger.loc[ledger["selected"], "sha256"])
    assert ledger["seed"].is_unique


def test_a_second_process_verifies_the_release_and_sees_every_change(finished, tmp_path):
    whole = call("verify", finished / "release")
    # nothing is altered; the limits under which so small a study passes are looser than those of any published profile
    assert whole.returncode == 3 and "limits are looser" in whole.stderr and "gate_miss_upper = 1" in whole.stderr
    for change in ("change", "remove", "add"):
        copy = tmp_path / change
        shutil.copytree(finished / "release", copy)
        image = sorted((copy / "images").iterdir())[0]
        if change == "change":
            data = bytearray(image.read_bytes())
            data[len(data) // 2] ^= 1
            image.write_bytes(bytes(data))
        elif change == "remove":
            image.unlink()
        else:
            (copy / "images" / "extra.png").write_bytes(image.read_bytes())
        done = call("verify", copy)
        assert done.returncode == 2 and "Traceback" not in done.stderr, change


def test_a_finished_study_does_nothing_and_says_so(finished):
    before = {p: p.stat().st_mtime_ns for p in (finished / "release").rglob("*")}
    done = call("run", finished)
    assert done.returncode == 0
    assert [line for line in done.stderr.splitlines() if line.strip()] == [f"{name}: fresh" for name in STAGES]
    assert before == {p: p.stat().st_mtime_ns for p in (finished / "release").rglob("*")}
    states = json.loads(call("status", finished, "--json").stdout)
    assert states == dict.fromkeys(STAGES, "fresh")


def test_a_kill_during_synthesis_ends_in_the_same_release(finished, images, tmp_path):
    study = new_study(tmp_path / "study", images, LOOSE)
    process = subprocess.Popen(command("run", study), stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    parts = study / "candidates" / "parts"
    deadline = time.monotonic() + 300
    while not list(parts.glob("part-*.parquet")) and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.002)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert process.returncode == -signal.SIGKILL
    assert parts.is_dir() and not (study / "candidates" / "ledger.parquet").exists()
    done = call("run", study)
    assert done.returncode == 0, done.stderr
    assert tree(study / "release") == tree(finished / "release")
    assert not list(study.rglob(".*.tmp*"))


def to_draw(finished: Path, to: Path) -> Path:
    """A copy of a finished study whose candidates are still to be drawn."""
    shutil.copytree(finished, to)
    shutil.rmtree(to / "candidates")
    return to


def here(*words: object):
    """The command in this process, without a traceback."""
    done = CliRunner().invoke(app, [str(word) for word in words], env={"COLUMNS": "400"})
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    return done


def refused(done, *said: str) -> None:
    """One sentence with these words, and exit code 2."""
    assert done.exit_code == 2, done.output
    lines = [line for line in done.stderr.splitlines() if line.startswith("unpersonal: ")]
    assert len(lines) == 1 and all(word in lines[0] for word in said), lines


def ended_alike(study: Path, finished: Path) -> None:
    """A plain run ends with the candidates and the release of the study that was not disturbed."""
    done = here("run", study)
    assert done.exit_code == 0, done.stderr
    for folder in ("candidates", "release"):
        one, other = tree(study / folder), tree(finished / folder)
        for files in (one, other):
            files.pop("stage.json", None)  # it has seconds
        assert one == other, folder
    assert not list(study.rglob(".*.tmp*")) and not (study / "candidates" / "parts").exists()


def test_shards_in_any_order_and_then_a_run_end_in_the_same_release(finished, tmp_path):
    study = to_draw(finished, tmp_path / "study")
    for shard in ("2/4", "0/4", "3/4"):
        done = here("run", study, "--shard", shard)
        assert done.exit_code == 0, done.stderr
        # no release outlives what it was made from
        assert not (study / "release").exists() and not (study / "candidates" / "ledger.parquet").exists()
    whole = tree(study / "candidates" / "parts")
    assert here("run", study, "--shard", "0/4").exit_code == 0
    assert tree(study / "candidates" / "parts") == whole
    assert here("run", study, "--shard", "1/4").exit_code == 0
    ended_alike(study, finished)


def test_a_wrong_label_set_is_told_before_anything_is_withdrawn(finished, tmp_path):
    study = tmp_path / "study"
    shutil.copytree(finished, study)
    change_settings(study, {"synthesis.labels": {"pleural efusion": 1.0, "No Finding": 2.0}})

    def there() -> dict[str, bytes]:
        """Everything but locks."""
        return {name: data for name, data in tree(study).items() if not name.startswith(".")}

    before = there()
    # with other candidates of training, too: it is told before the first stage that is not fresh begins
    for words in ([], ["--shard", "0/2"], ["--until", "judges"]):
        if words[:1] == ["--until"]:
            change_settings(study, {"judges.reidentifier_steps": 10})
            before = there()
        refused(here("run", study, *words), "'pleural efusion' (did you mean 'Pleural Effusion'?)")
        assert there() == before


def test_a_full_disk_and_a_damaged_part_lose_nothing(finished, tmp_path, monkeypatch):
    from unpersonal.synthesis import pipeline

    study = to_draw(finished, tmp_path / "study")
    parts, save = study / "candidates" / "parts", pipeline.save_part

    def full(files, number, columns, images):
        if number == 3:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(files.files(number)[0]))
        return save(files, number, columns, images)

    with monkeypatch.context() as patch:
        patch.setattr(pipeline, "save_part", full)
        refused(here("run", study), "part-00003", "No space left")
    first, second = (parts / f"part-0000{number}.parquet" for number in (0, 1))
    there = tree(parts)
    assert first.name in there and second.name in there and not (study / "release").exists()
    image, data = parts / "part-00000.npy", (parts / "part-00000.npy").read_bytes()
    for path, broken, said in (
        (image, data[:-7], "missing or damaged"),
        (image, None, "missing or damaged"),
        (first, first.read_bytes()[:-20], "damaged"),
        (first, second.read_bytes(), "not of this plan"),
    ):
        before = path.read_bytes()
        path.unlink() if broken is None else path.write_bytes(broken)
        refused(here("run", study), "part-00000", said, "delete it")
        refused(here("run", study, "--shard", "0/2"), "part-00000", said)
        path.write_bytes(before)
        # nothing else was touched
        assert {name: content for name, content in tree(parts).items() if name in there} == there
    # as the sentence says
    first.unlink()
    image.unlink()
    ended_alike(study, finished)


@pytest.mark.parametrize(
    ("name", "stage"),
    [
        ("models/judges/classifier.safetensors", "judges"),
        ("models/judges/gate.json", "judges"),
        ("models/diffusion/denoiser.safetensors", "diffusion"),
        ("candidates/ledger.parquet", "synthesis"),
    ],
)
def test_what_was_exchanged_is_named_and_nothing_is_drawn_with_it(finished, tmp_path, name, stage):
    study = tmp_path / "study"
    shutil.copytree(finished, study)
    data = (study / name).read_bytes()
    (study / name).write_bytes(data[: len(data) // 2])
    assert f"{name} was altered" in " ".join(here("status", study).output.split())
    if stage != "synthesis":
        shutil.rmtree(study / "candidates")
        refused(here("run", study, "--shard", "0/2"), stage)
        assert not (study / "candidates").exists()
        return
    # what is made of what is there is made anew, to the same bytes
    ended_alike(study, finished)


def rehashed(release: Path) -> None:
    """A forger's work: the manifest has the hash of the evidence as it is now."""
    manifest, data = json.loads((release / "manifest.json").read_text()), (release / "evidence.json").read_bytes()
    manifest["files"]["evidence.json"] = {"sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)}
    (release / "manifest.json").write_text(json.dumps(manifest))


def test_verify_checks_the_chain_of_attempts(finished, tmp_path):
    evidence = json.loads((finished / "release" / "evidence.json").read_text())
    told = evidence["audit"]["attempts"]
    assert told["attempts"] == "1" and told["seal"] == "none" and evidence["audit"]["control"]["at_random"] == "known"
    assert "was audited once" in (finished / "release" / "README.md").read_text()
    for number, change in enumerate(("link", "verdict", "count", "all")):
        copy, values = tmp_path / str(number), json.loads(json.dumps(evidence))
        attempts = values["audit"]["attempts"]
        if change == "link":
            attempts["ledger"].pop(0)
        elif change == "verdict":
            attempts["ledger"][-1]["bounds"] = {"membership_upper": 0.5}
        elif change == "count":
            attempts["attempts"] = "2"
        else:
            values["audit"].pop("attempts")
        shutil.copytree(finished / "release", copy)
        (copy / "evidence.json").write_text(json.dumps(evidence))
        rehashed(copy)
        assert CliRunner().invoke(app, ["verify", str(copy)]).exit_code == 3
        (copy / "evidence.json").write_text(json.dumps(values))
        rehashed(copy)
        assert CliRunner().invoke(app, ["verify", str(copy)]).exit_code == 2, change


def test_a_ledger_that_was_touched_refuses_the_release(finished, tmp_path):
    copy = tmp_path / "study"
    shutil.copytree(finished, copy)
    ledger, whole = copy / "attempts.jsonl", tree(copy / "release")
    data = ledger.read_bytes()
    for broken in (b"", data[: data.index(b"\n") + 1], data.replace(b'"verdict": "pass"', b'"verdict": "fail"')):
        ledger.write_bytes(broken)
        done = CliRunner().invoke(app, ["run", str(copy)])
        assert done.exit_code == 3 and not (copy / "release").exists()
        assert "attempts.jsonl" in (copy / "summary.json").read_text()
    ledger.write_bytes(data)
    assert CliRunner().invoke(app, ["run", str(copy)]).exit_code == 0
    assert tree(copy / "release") == whole and ledger.read_bytes() == data


def test_every_other_audit_counts_and_the_seal_opens_at_the_release(finished, tmp_path):
    copy = tmp_path / "study"
    shutil.copytree(finished, copy)
    shutil.rmtree(copy / "audit")
    change_settings(copy, {"audit.sealed": 0.5})

    def attempts(*words: str) -> dict:
        CliRunner().invoke(app, ["run", str(copy), *words])
        audit = json.loads((copy / "summary.json").read_text())["audit"]
        assert audit["confidence"] == pytest.approx(1 - audit["attempts"]["alpha"])
        return audit

    rehearsal = attempts("--until", "audit")
    assert rehearsal["verdict"] != "pass" and rehearsal["attempts"]["seal"] == "closed"
    assert rehearsal["attempts"]["attempts"] == 2 and rehearsal["attempts"]["alpha"] == pytest.approx(0.0025)
    last = attempts()
    assert last["attempts"]["seal"] == "open" and last["attempts"]["attempts"] == 3
    events = [link["event"] for link in last["attempts"]["ledger"]]
    assert events == ["begun", "ended"] * 2 + ["begun", "opened", "ended"]
    again = attempts("--until", "audit")
    assert again == last


def test_a_changed_setting_makes_its_stage_and_those_below_stale(finished, tmp_path):
    copy = tmp_path / "study"
    shutil.copytree(finished, copy)
    change_settings(copy, {"synthesis.guidance": 1.2})
    states = json.loads(CliRunner().invoke(app, ["status", str(copy), "--json"]).stdout)
    fresh = ("cohort", "encode", "features", "diffusion", "judges")
    assert states == {name: "fresh" if name in fresh else "stale" for name in STAGES}
    # a release must not outlive what it was made from
    change_settings(copy, {"judges.reidentifier_steps": 10})
    assert CliRunner().invoke(app, ["run", str(copy), "--until", "judges", "--json"]).exit_code == 0
    assert not (copy / "release").exists()
    assert json.loads((copy / "summary.json").read_text())["release"]["released"] is False


def test_the_default_policy_refuses_a_study_that_is_too_small(finished, images, tmp_path):
    copy = tmp_path / "study"
    shutil.copytree(finished, copy)
    defaults = new_study(tmp_path / "defaults", images, TRAINED)
    policy = (defaults / "study.toml").read_text().split("[policy]")[1]
    toml = copy / "study.toml"
    toml.write_text(toml.read_text().split("[policy]")[0] + "[policy]" + policy)
    done = call("run", copy, "--json")
    assert done.returncode == 3 and "Traceback" not in done.stderr
    assert "miss" in done.stderr
    assert not (copy / "release").exists() and (copy / "report.html").is_file()
    summary = json.loads(done.stdout)
    assert summary["release"]["released"] is False and summary["release"]["reasons"]
    again = call("run", copy)
    assert again.returncode == 3 and not (copy / "release").exists()
    together = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [*together, "-m", "unpersonal", "run", str(copy)], capture_output=True, text=True, env=environment, check=False
    )
    # torchrun ends with 1 itself; it names every process that failed, with its exit code
    codes = set(re.findall(r"exitcode\s*:\s*(-?\d+)", done.stderr))
    # SIGTERM, where torchrun sees the first one end before the other has
    assert {"3"} <= codes <= {"3", "-15"}, done.stderr
    assert "miss" in done.stderr and not (copy / "release").exists()


def decide(study: Path, event: str, *rows: int, **more: object) -> None:
    """Lines that the review page writes."""
    from unpersonal.synthesis.reviewed import pixel_names, review_ledger, selection_of
    from unpersonal.synthesis.selected import load_selected

    names = pixel_names(load_selected(study).images)
    for row in rows:
        with review_ledger(study).open() as ledger:
            ledger.add({"event": event, "selection": selection_of(names), "image": names[row], "tab": "one", **more})


def pixels(release: Path) -> set[bytes]:
    from PIL import Image

    return {Image.open(path).tobytes() for path in (release / "images").iterdir()}


def test_a_run_after_a_review_goes_on_with_what_is_left(finished, tmp_path):
    import numpy as np

    study = tmp_path / "study"
    shutil.copytree(finished, study)
    whole, selected = tree(study / "release"), np.load(study / "candidates" / "selected.npy")
    # who keeps everything changes nothing
    decide(study, "keep", 0, 1, 2)
    assert set(json.loads(here("status", study, "--json").stdout).values()) == {"fresh"}
    decide(study, "remove", 1, 2, 3, 4, 5, 6)
    decide(study, "note", 1, note="MARKEDNOTE")
    states = json.loads(here("status", study, "--json").stdout)
    stale = STAGES[STAGES.index("audit") :]
    assert states == {name: "stale" if name in stale else "fresh" for name in STAGES}
    done = here("run", study)
    assert done.exit_code == 0, done.stderr
    gone = {selected[row].tobytes() for row in range(1, 7)}
    left = pixels(study / "release")
    assert not left & gone and left < pixels(finished / "release")
    evidence = json.loads((study / "release" / "evidence.json").read_text())
    assert evidence["audit"]["review"] == {"removed": 6} and "removed 6 images" in evidence["audit"]["claim"]
    assert evidence["audit"]["attempts"]["attempts"] == "2" and evidence["audit"]["released"] == len(left)
    assert "removed by review: 6" in done.output
    card, report = (study / "release" / "README.md").read_text(), (study / "report.html").read_text()
    assert "Removed by review: 6." in " ".join(card.split()) and "Removed by review: 6." in report
    # of whom, and why, no byte
    secrets = [b"MARKEDNOTE", *(hashlib.sha256(one).hexdigest().encode() for one in gone)]
    for name, data in {**tree(study / "release"), "report.html": report.encode()}.items():
        assert not any(secret in data for secret in secrets), name
    assert "MARKEDNOTE" in (study / "private.html").read_text()
    # it is final: the release was made without them
    decide(study, "keep", 1, 2)
    assert set(json.loads(here("status", study, "--json").stdout).values()) == {"fresh"}
    assert (released := tree(study / "release")) != whole
    for name in ("review.jsonl", "review.head.json"):
        (study / name).unlink()
    refused(here("run", study), "ledger of decisions of the review is missing")
    assert tree(study / "release") == released


def test_a_removal_that_is_withdrawn_before_a_release_leaves_the_same_bytes(finished, tmp_path):
    study = tmp_path / "study"
    shutil.copytree(finished, study)
    decide(study, "remove", 1)
    decide(study, "keep", 1)
    assert here("run", study).exit_code == 0
    assert tree(study / "release") == tree(finished / "release")


def test_a_damaged_or_foreign_review_ends_the_run_before_anything_is_withdrawn(finished, tmp_path):
    study = tmp_path / "study"
    shutil.copytree(finished, study)
    decide(study, "remove", 1, 2, 3)
    ledger, release = study / "review.jsonl", tree(study / "release")
    data = ledger.read_bytes()
    for broken, said in (
        (data.replace(b'"remove"', b'"keep"', 1), "was altered"),
        (data[: data.index(b"\n") + 1], "lacks lines"),
        (None, "lacks lines"),
        (data + b'{"event": "re', "torn line"),
    ):
        ledger.unlink() if broken is None else ledger.write_bytes(broken)
        refused(here("run", study), "review", said)
        assert tree(study / "release") == release
        ledger.write_bytes(data)
    for name in ("review.jsonl", "review.head.json"):
        (study / name).unlink()
    decide(study, "remove", 1, selection="5" * 64)
    refused(here("run", study), "other images than those that are selected now", "--anew")
    assert tree(study / "release") == release


def test_a_sign_off_lets_the_same_command_release_and_any_change_voids_it(finished, tmp_path):
    study = tmp_path / "study"
    shutil.copytree(finished, study)
    signature = ("sign-off", study, "--name", "Ada Byron", "--role", "protection officer", "--json")
    change_settings(study, {"policy.sign_off": True})
    for _ in range(2):
        done = here("run", study)
        assert done.exit_code == 3 and "waits for a sign-off" in done.stderr and "unpersonal sign-off" in done.stderr
        assert not (study / "release").exists() and "nobody has signed off" in (study / "report.html").read_text()
    # nothing above ran anew for it
    assert "audit: fresh" in done.stderr and "utility: fresh" in done.stderr
    signed = here(*signature)
    assert signed.exit_code == 0, signed.stderr
    told = conforms("sign-off", signed.stdout)
    assert here("run", study).exit_code == 0
    evidence = json.loads((study / "release" / "evidence.json").read_text())
    assert evidence["sign_off"] == {"role": "protection officer", "hash": told["signed"]}
    assert here("verify", study / "release").stderr == here("verify", finished / "release").stderr
    for name, data in {**tree(study / "release"), "report.html": (study / "report.html").read_bytes()}.items():
        assert b"Byron" not in data, name
    assert "Ada Byron" in (study / "private.html").read_text()
    assert "Signed off by: protection officer" in (study / "report.html").read_text()
    # another name is another thing to sign
    change_settings(study, {"release.title": "Something else"})
    assert here("run", study).exit_code == 3 and not (study / "release").exists()
    change_settings(study, {"release.title": "Synthetic image dataset"})
    assert here("run", study).exit_code == 0
    # what is not finished cannot be signed, nor what the policy refuses
    decide(study, "remove", 0)
    refused(here(*signature), "nothing to sign yet")


def test_the_review_page_holds_the_study_and_ends_by_ctrl_c(finished, tmp_path):
    pytest.importorskip("uvicorn", reason="the extra review is not installed")
    study = tmp_path / "study"
    shutil.copytree(finished, study)
    words = command("review", study, "--no-browser")
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as page:
        assert re.search(r"http://127\.0\.0\.1:\d+/\?token=\S{40,}", page.stdout.readline())
        refused(here("run", study), "running this study")
        refused(here("review", study, "--no-browser"), "another review page")
        page.send_signal(signal.SIGINT)
        out, errors = page.communicate(timeout=120)
    assert page.returncode == 0 and not errors, errors
    assert "0 of " in out and "Next: unpersonal run" in out
    # looking is no decision
    assert not (study / "review.jsonl").exists()
    assert set(json.loads(here("status", study, "--json").stdout).values()) == {"fresh"}
