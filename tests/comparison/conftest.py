"""The matrix: each test here runs with each pair of versions.

What a pair needs is built before the first test runs, so that a build counts against no timeout.
"""

import os
from collections.abc import Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from typing import cast

import pytest

from proxy.demo.assets import Assets, cached_programs, find_assets
from tests.comparison.events import watching
from tests.comparison.versions import MATRIX, Versions
from tests.comparison.world import PEOPLE, SHARED, World
from tests.parts.builds import BUILDS
from tests.parts.kubernetes import (
    NAMESPACE,
    Kubernetes,
    await_builds,
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
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Have the releases built that the collected tests run with."""
    if not config.option.collectonly:
        for pair in MATRIX:
            if any(_pair(item) == pair for item in items):
                for step in steps_for(pair):
                    BUILDS.want(*step)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Wait for a pair's programs before the time of a test begins to count."""
    pair = _pair(item)
    if pair is not None:
        await_builds(item.config, steps_for(pair))
    return (yield)


def steps_for(pair: Versions) -> list[tuple[str, ...]]:
    """What build.py must do for a pair; what is there already takes a moment."""
    steps: list[tuple[str, ...]] = [("--release", pair.kubectl, "--component", "kubectl")]
    if pair.api_server != MATRIX[0].api_server:
        steps.append(("--release", pair.api_server, *_SERVERS))
    return steps


_SERVERS = ("--component", "kube-apiserver", "--component", "kube-controller-manager")


def _pair(item: pytest.Item) -> Versions | None:
    if not isinstance(item, pytest.Function) or "versions" not in item.fixturenames:
        return None
    return cast(Versions, item.callspec.params["versions"])
