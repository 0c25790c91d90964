"""Parts as Ray tasks on a cluster of two nodes, one of which is killed; what a part refuses; a cluster that is not."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from unpersonal.core import sharing
from unpersonal.core.errors import InputError
from unpersonal.core.files import write_text
from unpersonal.core.parts import ClusterConfig, make_parts, missing
from unpersonal.core.ray_tasks import make_one, make_with_ray
from unpersonal.core.sharing import check_cluster
from unpersonal.core.spread import spread, spreading


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


def product(common: np.ndarray, item: int) -> np.ndarray:
    """Products whose last bits hang on threads and shapes."""
    return np.random.default_rng(item).normal(size=(30, len(common))).astype(np.float32) @ common


def die_once(folder: Path, item: int) -> int:
    """The worker of item 1 dies at the first try; item 4 is refused."""
    if item == 4:
        raise InputError("item refused", where="here", how="so")
    mark = folder / "died"
    if item == 1 and not mark.exists():
        mark.touch()
        os._exit(1)
    return item * item


@pytest.fixture(scope="module")
def cluster():
    """Two nodes of one core each, to which this process is connected: the head, and one that a test may kill."""
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    import ray
    from ray.cluster_utils import Cluster

    both = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    both.second = both.add_node(num_cpus=1)
    ray.init(address=both.address, log_to_driver=False)
    yield both
    ray.shutdown()
    both.shutdown()


@pytest.mark.slow
def test_what_is_spread_has_the_same_bytes_in_order_and_a_lost_worker_costs_its_item_only(tmp_path, cluster):
    common = np.random.default_rng(5).normal(size=(700, 300)).astype(np.float32)
    here = spread(product, common, range(5), worth=False)
    with spreading(ClusterConfig(engine="ray")):
        there = spread(product, common, range(5)), spread(product, common, range(5))
        assert spread(die_once, tmp_path, range(4)) == [0, 1, 4, 9]
        with pytest.raises(InputError) as refusal:
            spread(die_once, tmp_path, range(2, 6))
    assert (tmp_path / "died").exists()
    assert (refusal.value.what, refusal.value.where, refusal.value.how) == ("item refused", "here", "so")
    assert all([a.tobytes() for a in found] == [a.tobytes() for a in here] for found in there)


@pytest.mark.slow
def test_a_node_that_is_killed_costs_its_parts_only(tmp_path, cluster):
    alone, together = Slow(tmp_path / "alone"), Slow(tmp_path / "together", seconds=0.5)
    for parts in (alone, together):
        parts.study.mkdir()
    make_parts(alone.study, alone, range(8), lambda _: None)
    done: list[int] = []

    def after(number: int) -> None:
        done.append(number)
        if len(done) == 1:
            cluster.remove_node(cluster.second, allow_graceful=False)

    config = ClusterConfig(engine="ray")
    make_with_ray(together.study, partial(Slow, together.study, seconds=0.5), range(8), config, after)
    assert sorted(done) == list(range(8)) and together.content() == alone.content()
    (together.study / "part-3.txt").unlink()
    with pytest.raises(InputError) as refusal:
        make_with_ray(together.study, partial(Slow, together.study, refuses=3), [3], config, after)
    assert (refusal.value.what, refusal.value.where, refusal.value.how) == ("part refused", "here", "so")
