"""How much memory objects of clusters may take by default."""

import os
from pathlib import Path

import pytest

from config.cluster_settings import ControllerSettings
from config.server_settings import ServerSettings
from config.settings import Settings
from proxy.limits.cluster_memory import LEAST, PART, cluster_memory, usable_memory

MACHINE = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def test_usable_memory_is_the_least_limit_of_the_group_and_its_parents(tmp_path: Path) -> None:
    group = tmp_path / "cgroup" / "system.slice" / "sekisho.service"
    group.mkdir(parents=True)
    membership = tmp_path / "membership"
    membership.write_text("0::/system.slice/sekisho.service\n")
    root = tmp_path / "cgroup"
    assert usable_memory(membership, root) == MACHINE
    (group / "memory.max").write_text("max\n")
    assert usable_memory(membership, root) == MACHINE
    (group / "memory.max").write_text("33554432\n")
    (group.parent / "memory.max").write_text("16777216\n")
    assert usable_memory(membership, root) == 16777216
    assert usable_memory(tmp_path / "missing", root) == MACHINE


def test_workers_share_the_memory_and_a_setting_is_for_each_of_them() -> None:
    alone = cluster_memory(Settings())
    assert LEAST <= alone <= max(LEAST, MACHINE // PART)
    four = Settings(server=ServerSettings.model_validate({"workers": 4}))
    assert cluster_memory(four) == max(LEAST, alone // 4) or alone == LEAST
    chosen = Settings(controllers=ControllerSettings.model_validate({"memory": "32MiB"}))
    assert cluster_memory(chosen) == 32 * 1024**2


def test_memory_too_small_for_one_cluster_is_refused() -> None:
    with pytest.raises(ValueError, match="16 MiB is too little"):
        ControllerSettings.model_validate({"memory": "1MiB"})
