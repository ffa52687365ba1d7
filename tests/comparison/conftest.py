"""The matrix: each test here runs with each pair of versions.

What a pair needs is built before the first test runs, so that a build counts against no timeout.
"""

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from typing import cast

import pytest

from proxy.demo.assets import Assets, cached_programs, find_assets
from tests.comparison.events import watching
from tests.comparison.versions import MATRIX, Versions
from tests.comparison.world import PEOPLE, SHARED, World
from tests.parts.kubernetes import (
    NAMESPACE,
    Kubernetes,
    build_release,
    on_the_terminal,
    required_assets,
)
from tests.parts.loop_thread import LoopThread
from tests.parts.sekisho import Gate, free_port, make_sekisho


@pytest.fixture(scope="session", params=MATRIX, ids=str)
def versions(request: pytest.FixtureRequest) -> Versions:
    """The pair that is compared."""
    pair: Versions = request.param
    return pair


@pytest.fixture(scope="session")
def versions_assets(versions: Versions, kubernetes_assets: Assets) -> Assets:
    """Every program in its right version; a missing one fails in CI and skips elsewhere."""
    kubectl = cached_programs(os.environ, versions.kubectl) / "kubectl"
    found = replace(
        find_assets(release=versions.api_server), kubectl=kubectl if kubectl.exists() else None
    )
    return required_assets(found)


@pytest.fixture(scope="session")
def world(
    versions: Versions, versions_assets: Assets, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[World]:
    """A cluster of that version, with a gate of its own."""
    folder = tmp_path_factory.mktemp("comparison")
    with LoopThread() as loop:
        cluster = Kubernetes(folder / "kubernetes", loop, versions_assets)
        loop.call(cluster.__aenter__())
        try:
            assert cluster.version == versions.api_server
            loop.call(cluster.kubelet.start())
            for name in (NAMESPACE, SHARED):
                cluster.create_namespace(name)
            (folder / "gate").mkdir()
            made = make_sekisho(folder / "gate", (free_port(), free_port()))
            gate = Gate(made.folder, made.port, made.metrics_port)
            made_world = World(cluster, gate, versions_assets.path("kubectl"), folder)
            with entered(made_world), watching(made_world) as made_world.watchers:
                yield made_world
        finally:
            loop.call(cluster.kubelet.stop())
            loop.call(cluster.__aexit__(None, None, None))


@contextmanager
def entered(world: World) -> Iterator[None]:
    """The gate runs, and people may enter, for as long as the block."""
    gate, kubernetes = world.gate, world.kubernetes
    with ThreadPoolExecutor() as other:
        filled = other.submit(kubernetes.call, world.fill())
        gate.run("cluster", "import", "test", "--kubeconfig", str(kubernetes.admin_kubeconfig))
        gate.start()
        try:
            for name, role in zip(PEOPLE, ("owner", "member", "read-only"), strict=True):
                gate.users[name] = gate.create_user(name)
                gate.run("cluster", "grant", "test", "--user", name, "--role", role)
                world.add(name)
            filled.result()
            yield
        finally:
            gate.stop()


@pytest.hookimpl(trylast=True)
def pytest_collection_finish(session: pytest.Session) -> None:
    """Build the releases that the collected tests run with."""
    if session.config.option.collectonly:
        return
    wanted: set[Versions] = {
        cast(Versions, item.callspec.params["versions"])
        for item in session.items
        if isinstance(item, pytest.Function) and "versions" in item.fixturenames
    }
    on_the_terminal(session.config, lambda: build_pairs(wanted))


def build_pairs(pairs: set[Versions]) -> None:
    """Bring what the pairs need up to date, in the order of the matrix."""
    for pair in (pair for pair in MATRIX if pair in pairs):
        if find_assets().missing() or pair.api_server != MATRIX[0].api_server:
            build_release(pair.api_server, "kube-apiserver", "kube-controller-manager")
        build_release(pair.kubectl, "kubectl")
