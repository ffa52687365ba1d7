"""How many CPUs a process may use."""

import os
from pathlib import Path

import pytest

from proxy.usable_cpus import quota, quota_of, usable_cpus


@pytest.mark.parametrize(
    ("text", "expected"), [("150000 100000\n", 2), ("50000 100000", 1), ("400000 100000", 4)]
)
def test_a_quota_is_rounded_up(tmp_path: Path, text: str, expected: int) -> None:
    (tmp_path / "cpu.max").write_text(text)
    assert quota(tmp_path / "cpu.max") == expected


@pytest.mark.parametrize("text", ["max 100000", "", "1 0", "what"])
def test_what_sets_no_quota_is_none(tmp_path: Path, text: str) -> None:
    (tmp_path / "cpu.max").write_text(text)
    assert quota(tmp_path / "cpu.max") > 10_000
    assert quota(tmp_path / "missing") > 10_000


def test_the_least_quota_of_our_group_and_those_around_it_counts(tmp_path: Path) -> None:
    ours = tmp_path / "cgroup" / "system.slice" / "sekisho.service"
    ours.mkdir(parents=True)
    membership = tmp_path / "membership"
    membership.write_text("0::/system.slice/sekisho.service\n")
    root = tmp_path / "cgroup"
    assert quota_of(membership, root) > 10_000
    (ours / "cpu.max").write_text("400000 100000")
    assert quota_of(membership, root) == 4
    (ours.parent / "cpu.max").write_text("200000 100000")
    assert quota_of(membership, root) == 2
    assert quota_of(tmp_path / "missing", root) > 10_000


def test_there_is_at_least_one_and_no_more_than_we_may_use() -> None:
    assert 1 <= usable_cpus() <= len(os.sched_getaffinity(0))
