"""Parts as Ray tasks on a cluster of two nodes, one of which is killed; what a part refuses; a cluster that is not."""

from __future__ import annotations

import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest

from unpersonal.core import sharing
from unpersonal.core.errors import InputError
from unpersonal.core.files import write_text
from unpersonal.core.parts import ClusterConfig, make_parts, missing
from unpersonal.core.ray_tasks import make_one, make_with_ray
from unpersonal.core.sharing import check_cluster


@dataclass
class Slow:
    """Parts that take a moment; part `refuses` is wrong."""

    study: Path
    count: int = 8
    seconds: float = 0.0
    refuses: int | None = None

    def __len__(self) -> int:
        return self.count

    def path(self, number: int) -> Path:
        return self.study / f"part-{number}.txt"

    def open(self) -> None:
        """Nothing is needed."""

    def made(self, number: int) -> bool:
        return self.path(number).exists()

    def make(self, number: int) -> None:
        if number == self.refuses:
            raise InputError("part refused", where="here", how="so")
        time.sleep(self.seconds)
        write_text(self.path(number), f"part {number}\n" * (number + 1))

    def content(self) -> list[str]:
        return [self.path(number).read_text() for number in range(self.count)]


def test_a_task_opens_the_study_once_for_all_its_parts(tmp_path):
    opened = []

    def open_parts() -> Slow:
        opened.append(1)
        return Slow(tmp_path, refuses=2)

    found = [make_one(tmp_path, open_parts, "a", number) for number in (1, 0, 2)]
    assert found == [None, None, ("part refused", "here", "so")] and len(opened) == 1
    make_one(tmp_path, open_parts, "b", 3)
    assert len(opened) == 2 and missing(Slow(tmp_path)) == [2, 4, 5, 6, 7]


def test_ray_that_is_not_installed_is_told_before_any_work(monkeypatch):
    monkeypatch.setattr(sharing, "find_spec", lambda _: None)
    check_cluster(ClusterConfig())
    with pytest.raises(InputError, match="Ray is not installed") as refusal:
        check_cluster(ClusterConfig(engine="ray"))
    assert "pip install 'unpersonal[cluster]'" in refusal.value.how


def test_ray_under_torchrun_is_refused(monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(InputError, match="Both torchrun and Ray"):
        check_cluster(ClusterConfig(engine="ray"))


@pytest.mark.slow
def test_a_node_that_is_killed_costs_its_parts_only(tmp_path, monkeypatch):
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    import ray
    from ray.cluster_utils import Cluster

    alone, together = Slow(tmp_path / "alone"), Slow(tmp_path / "together", seconds=0.5)
    for parts in (alone, together):
        parts.study.mkdir()
    make_parts(alone.study, alone, range(8), lambda _: None)
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    second = cluster.add_node(num_cpus=1)
    ray.init(address=cluster.address, log_to_driver=False)
    done: list[int] = []

    def after(number: int) -> None:
        done.append(number)
        if len(done) == 1:
            cluster.remove_node(second, allow_graceful=False)

    try:
        config = ClusterConfig(engine="ray")
        make_with_ray(together.study, partial(Slow, together.study, seconds=0.5), range(8), config, after)
        assert sorted(done) == list(range(8)) and together.content() == alone.content()
        (together.study / "part-3.txt").unlink()
        with pytest.raises(InputError) as refusal:
            make_with_ray(together.study, partial(Slow, together.study, refuses=3), [3], config, after)
        assert (refusal.value.what, refusal.value.where, refusal.value.how) == ("part refused", "here", "so")
    finally:
        ray.shutdown()
        cluster.shutdown()
