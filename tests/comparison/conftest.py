"""Run each test with each pair of versions in the matrix.

The programs of a pair are built before the first test runs, so builds count against no timeout.
"""

import json
import os
import subprocess
from collections.abc import Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import cast

import pytest

from proxy.demo.binaries import Binaries, cached_programs
from tests.comparison.events import watch_both_sides
from tests.comparison.versions import MATRIX, Versions
from tests.comparison.world import SHARED, USERS, World
from tests.support.builds import BUILDS
from tests.support.kubernetes import (
    NAMESPACE,
    Kubernetes,
    await_builds,
    pinned_assets,
    required_assets,
)
from tests.support.loop_thread import LoopThread
from tests.support.sekisho import SekishoWithUsers, free_port, make_sekisho


@pytest.fixture(scope="session", params=MATRIX, ids=str)
def versions(request: pytest.FixtureRequest) -> Versions:
    """Return the pair of versions under test."""
    pair: Versions = request.param
    return pair


@pytest.fixture(scope="session")
def versions_assets(versions: Versions, kubernetes_assets: Binaries) -> Binaries:
    """Return all programs in the required versions. A missing one fails in CI, skips elsewhere."""
    built = {
        name: cached_programs(os.environ, version) / name
        for name, version in (
            ("kube-apiserver", versions.api_server),
            ("kube-controller-manager", versions.api_server),
            ("kubectl", versions.kubectl),
        )
    }
    found = replace(
        pinned_assets(),
        **{name.replace("-", "_"): path if path.exists() else None for name, path in built.items()},
    )
    return required_assets(found)


@pytest.fixture(scope="session")
def world(
    versions: Versions, versions_assets: Binaries, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[World]:
    """Run a cluster of that version behind its own proxy."""
    folder = tmp_path_factory.mktemp("comparison")
    with LoopThread() as loop:
        cluster = Kubernetes(folder / "kubernetes", loop, versions_assets)
        loop.call(cluster.__aenter__())
        try:
            assert cluster.version == versions.api_server
            assert version_of(versions_assets.path("kubectl")) == versions.kubectl
            loop.call(cluster.kubelet.start())
            for name in (NAMESPACE, SHARED):
                cluster.create_namespace(name)
            (folder / "proxy").mkdir()
            created = make_sekisho(folder / "proxy", (free_port(), free_port()))
            proxy = SekishoWithUsers(created.folder, created.port, created.metrics_port)
            running = World(cluster, proxy, versions_assets.path("kubectl"), folder)
            with run_proxy(running), watch_both_sides(running) as running.watchers:
                yield running
        finally:
            loop.call(cluster.kubelet.stop())
            loop.call(cluster.__aexit__(None, None, None))


def version_of(kubectl: Path) -> str:
    """Return the version that a kubectl reports."""
    command = [str(kubectl), "version", "--client", "--output=json"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return str(json.loads(done.stdout)["clientVersion"]["gitVersion"])


@contextmanager
def run_proxy(world: World) -> Iterator[None]:
    """Run the proxy with the test users inside the ``with`` block."""
    proxy, kubernetes = world.proxy, world.kubernetes
    with ThreadPoolExecutor() as other:
        filled = other.submit(kubernetes.call, world.create_shared_objects())
        proxy.change(
            "admin", "cluster", "import", "test", "--kubeconfig", str(kubernetes.admin_kubeconfig)
        )
        proxy.start()
        try:
            for name, role in zip(USERS, ("owner", "member", "read-only"), strict=True):
                proxy.users[name] = proxy.create_user(name)
                proxy.change("admin", "cluster", "grant", "test", "--user", name, "--role", role)
                world.add_user(name)
            filled.result()
            yield
        finally:
            proxy.stop()


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Queue builds of the releases that the collected tests need."""
    if not config.option.collectonly:
        for pair in MATRIX:
            if any(_pair(item) == pair for item in items):
                for step in steps_for(pair):
                    BUILDS.add(*step)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Wait for a pair's programs before the timeout of a test starts."""
    pair = _pair(item)
    if pair is not None:
        await_builds(item.config, steps_for(pair))
    return (yield)


def steps_for(pair: Versions) -> list[tuple[str, ...]]:
    """Return the build.py runs that a pair needs. Existing builds finish immediately."""
    return [
        ("--release", pair.kubectl, "--component", "kubectl"),
        ("--release", pair.api_server, *_SERVERS),
    ]


_SERVERS = ("--component", "kube-apiserver", "--component", "kube-controller-manager")


def _pair(item: pytest.Item) -> Versions | None:
    if not isinstance(item, pytest.Function) or "versions" not in item.fixturenames:
        return None
    return cast(Versions, item.callspec.params["versions"])
