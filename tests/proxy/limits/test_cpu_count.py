"""The number of CPUs that a process may use."""

import os
from pathlib import Path

import pytest

from proxy.limits.cpu_count import cpu_count, quota, quota_of


@pytest.mark.parametrize(
    ("text", "expected"), [("150000 100000\n", 2), ("50000 100000", 1), ("400000 100000", 4)]
)
def test_quota_is_rounded_up(tmp_path: Path, text: str, expected: int) -> None:
    (tmp_path / "cpu.max").write_text(text)
    assert quota(tmp_path / "cpu.max") == expected


@pytest.mark.parametrize("text", ["max 100000", "", "1 0", "what"])
def test_file_without_a_quota_sets_no_limit(tmp_path: Path, text: str) -> None:
    (tmp_path / "cpu.max").write_text(text)
    assert quota(tmp_path / "cpu.max") > 10_000
    assert quota(tmp_path / "missing") > 10_000


def test_quota_is_the_minimum_of_the_group_and_its_ancestors(tmp_path: Path) -> None:
    group = tmp_path / "cgroup" / "system.slice" / "sekisho.service"
    group.mkdir(parents=True)
    membership = tmp_path / "membership"
    membership.write_text("0::/system.slice/sekisho.service\n")
    root = tmp_path / "cgroup"
    assert quota_of(membership, root) > 10_000
    (group / "cpu.max").write_text("400000 100000")
    assert quota_of(membership, root) == 4
    (group.parent / "cpu.max").write_text("200000 100000")
    assert quota_of(membership, root) == 2
    assert quota_of(tmp_path / "missing", root) > 10_000


def test_cpu_count_is_between_one_and_the_cpu_affinity() -> None:
    assert 1 <= cpu_count() <= len(os.sched_getaffinity(0))
