"""A real Kubernetes cluster for the test session, and the real kubectl.

The first test that uses the fixture ``kubernetes`` starts the cluster. Missing programs are built
in the background, so that minutes of build time count against no test's timeout.
"""

import asyncio
import os
import re
import subprocess
import uuid
from collections.abc import Callable, Coroutine, Generator, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import pytest

from management.kubernetes.manifests import NAMESPACE as SEKISHO_NAMESPACE
from proxy.demo.binaries import Binaries, BinariesMissing, find_assets
from proxy.demo.fake_kubelet import FakeKubelet, Pod
from proxy.demo.local_cluster import LocalCluster, RequestError
from tests.support.builds import BUILDS
from tests.support.loop_thread import LoopThread
from tests.support.waiting import wait_until

T = TypeVar("T")

NAMESPACE = "parts"
"""The shared namespace, for tests that do not need a separate one."""

KEPT = re.compile(rf"^(default|kube-.*|{NAMESPACE}|{SEKISHO_NAMESPACE})$|-[0-9a-f]{{10}}$")
"""Namespaces that every module may use, and those whose names no other module gets."""

ACCOUNT_SECONDS = 120.0
"""Seconds to wait for the service account of a new namespace, which pods need."""

HOUR = 3600.0

KUBECTL_SECONDS = 180.0
"""Default timeout of one kubectl, in seconds."""


class Kubernetes(LocalCluster):
    """The session's cluster with a node and a namespace, for tests with and without event loop.

    It runs on an event loop in another thread, so :meth:`call` runs its coroutines.
    """

    namespace = NAMESPACE

    def __init__(self, directory: Path, loop: LoopThread, assets: Binaries) -> None:
        super().__init__(directory, audit=True, assets=assets)
        self.kubelet = FakeKubelet(self, directory / "node", assets=assets)
        self._loop = loop

    def call(self, work: Coroutine[Any, Any, T]) -> T:
        """Run one of the cluster's coroutines: ``kubernetes.call(kubernetes.restart())``."""
        return self._loop.call(work)

    def running_pod(self, name: str, namespace: str = NAMESPACE) -> Pod:
        """Create a Pod that looks running to kubectl."""
        return self.call(self.kubelet.run_pod(name, namespace))

    def create_namespace(self, name: str) -> None:
        """Create a namespace and wait until it accepts pods."""
        self.call(self._create_namespace(name))

    def delete_namespace(self, name: str) -> None:
        """Delete a namespace. Its controller removes the content later."""
        self.call(self._delete_namespace(name))

    def remove_namespaces(self, *names: str) -> None:
        """Delete namespaces and wait until they are gone, so that others can use the names."""
        for name in names:
            self.delete_namespace(name)
        wait_until(
            lambda: not set(names) & self.namespaces(), 120, f"the end of {', '.join(names)}"
        )

    def namespaces(self) -> set[str]:
        """Return the names of all namespaces."""
        found = self.call(self.request("GET", "/api/v1/namespaces"))
        return {one["metadata"]["name"] for one in found["items"]}

    async def _create_namespace(self, name: str) -> None:
        await self.request("POST", "/api/v1/namespaces", {"metadata": {"name": name}})
        account = f"/api/v1/namespaces/{name}/serviceaccounts/default"
        async with asyncio.timeout(ACCOUNT_SECONDS):
            while not await self.exists(account):
                await asyncio.sleep(0.02)

    async def _delete_namespace(self, name: str) -> None:
        try:
            await self.request("DELETE", f"/api/v1/namespaces/{name}")
        except RequestError as exc:
            if exc.status not in (404, 409):  # 409: it is being deleted
                raise

    async def exists(self, path: str) -> bool:
        """Return whether the API server has an object at a path."""
        try:
            await self.request("GET", path)
        except RequestError as exc:
            if exc.status == 404:
                return False
            raise
        return True


_shared: list[Kubernetes] = []
"""The session's cluster, if a test has started it."""


def kubectl(
    kubeconfig: Path,
    *arguments: str | Path,
    input: str | None = None,  # noqa: A002 (the name in subprocess)
    timeout: float = KUBECTL_SECONDS,
    env: Mapping[str, str] | None = None,
) -> subprocess.CompletedProcess[str]:
    """Run the real kubectl to its end, with any exit code."""
    return subprocess.run(
        kubectl_command(kubeconfig, *arguments),
        input=input,
        stdin=subprocess.DEVNULL if input is None else None,
        capture_output=True,
        text=True,
        timeout=timeout,
        env=kubectl_environment(kubeconfig) | dict(env or {}),
        check=False,
    )


def start_kubectl(
    kubeconfig: Path, *arguments: str | Path, env: Mapping[str, str] | None = None
) -> subprocess.Popen[str]:
    """Start a kubectl that keeps running (``logs -f``, ``port-forward``); use ``with running``."""
    return subprocess.Popen(
        kubectl_command(kubeconfig, *arguments),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        bufsize=1,
        env=kubectl_environment(kubeconfig) | dict(env or {}),
    )


def kubectl_command(kubeconfig: Path, *arguments: str | Path) -> list[str]:
    """Return kubectl's command line."""
    program = pinned_assets().path("kubectl")
    return [str(program), f"--kubeconfig={kubeconfig}", *map(str, arguments)]


def kubectl_environment(kubeconfig: Path) -> dict[str, str]:
    """Return an environment without the user's settings, in which kubectl leaves no files."""
    home = kubeconfig.parent / "kubectl-home"
    home.mkdir(exist_ok=True)
    return {"PATH": os.environ["PATH"], "HOME": str(home), "LANG": "C.UTF-8"}


@pytest.fixture(scope="session")
def kubernetes_assets(pytestconfig: pytest.Config) -> Binaries:
    """Return the programs of a cluster. Missing ones fail in CI and skip elsewhere."""
    return required_assets(pinned_assets())


def pinned_assets() -> Binaries:
    """Return the programs in the pinned versions, ignoring PATH.

    ``$KUBEBUILDER_ASSETS`` takes precedence.
    """
    return find_assets({**os.environ, "PATH": ""})


def required_assets(assets: Binaries) -> Binaries:
    """Return ``assets`` if complete. Otherwise fail in CI and skip elsewhere."""
    try:
        assets.require()
    except BinariesMissing as exc:
        if os.environ.get("CI"):
            pytest.fail(str(exc), pytrace=False)
        pytest.skip(str(exc))
    return assets


@pytest.fixture(scope="session")
def kubernetes(
    kubernetes_assets: Binaries, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Kubernetes]:
    """Run the session's cluster: an API server with audit log, controllers, node and namespace."""
    with LoopThread() as loop:
        cluster = Kubernetes(tmp_path_factory.mktemp("kubernetes"), loop, kubernetes_assets)
        loop.call(cluster.__aenter__())
        try:
            loop.call(cluster.kubelet.start())
            cluster.create_namespace(NAMESPACE)
            _shared.append(cluster)
            yield cluster
        finally:
            _shared.clear()
            loop.call(cluster.kubelet.stop())
            loop.call(cluster.__aexit__(None, None, None))


@pytest.fixture(scope="module", autouse=True)
def _namespaces_end_with_their_module() -> Iterator[None]:
    """Remove the namespaces with fixed names that a module leaves in the session's cluster.

    Which modules share the cluster is chance, and some use the names of the same documented page.
    """
    yield
    for cluster in _shared:
        left = {one for one in cluster.namespaces() if not KEPT.search(one)}
        if left:
            cluster.remove_namespaces(*left)


@pytest.fixture
def namespace(kubernetes: Kubernetes) -> Iterator[str]:
    """Create a namespace for the test."""
    name = f"test-{uuid.uuid4().hex[:10]}"
    kubernetes.create_namespace(name)
    yield name
    kubernetes.delete_namespace(name)


@pytest.fixture
def running_pod(kubernetes: Kubernetes) -> Callable[..., Pod]:
    """Return ``running_pod(name, namespace)``, which creates a Pod that supports exec and logs."""
    return kubernetes.running_pod


def base_build() -> tuple[str, ...]:
    """Return build.py's arguments: missing programs of the newest release, and the stand-in."""
    needed = pinned_assets().missing()
    if "kubelet-standin" not in needed:
        needed.append("kubelet-standin")
    return tuple(part for name in needed for part in ("--component", name))


def needs_kubernetes(item: pytest.Item) -> bool:
    """Return whether a test needs a cluster."""
    return "kubernetes_assets" in _fixtures(item)


def _order(item: pytest.Item) -> int:
    """Return 0 for tests that may take an hour, 1 for the comparison of versions, else 2."""
    limit = item.get_closest_marker("timeout")
    if limit and limit.args[0] >= HOUR:
        return 0
    return 1 if "versions" in _fixtures(item) else 2


def _fixtures(item: pytest.Item) -> Sequence[str]:
    return getattr(item, "fixturenames", ())


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Run files without a cluster first, and queue builds for the others.

    Among tests with a cluster, those that take longest come first: no other process of the run
    waits for them at the end.
    """
    later = {item.path for item in items if needs_kubernetes(item)}
    items.sort(key=lambda item: (item.path in later, _order(item)))
    if later and not config.option.collectonly:
        config.stash[_BASE] = base_build()
        BUILDS.add(*config.stash[_BASE], first=True)


@pytest.hookimpl(trylast=True)
def pytest_collection_finish(session: pytest.Session) -> None:
    """Start the builds that the collected tests need."""
    BUILDS.start()


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Wait for a test's builds before its timeout starts."""
    if needs_kubernetes(item):
        await_builds(item.config, [item.config.stash.get(_BASE, ())])
    return (yield)


_BASE = pytest.StashKey[tuple[str, ...]]()


def await_builds(config: pytest.Config, steps: list[tuple[str, ...]]) -> None:
    """Wait for builds and print their output on the terminal."""
    if not BUILDS.pending(steps):
        return
    capture = config.pluginmanager.getplugin("capturemanager")
    assert capture is not None
    with capture.global_and_fixture_disabled():
        print("\nwaiting for a build of Kubernetes", flush=True)
        BUILDS.wait(steps)
        print(BUILDS.output(), flush=True)
