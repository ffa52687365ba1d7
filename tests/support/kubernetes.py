"""A real Kubernetes for the whole test session, and the real kubectl.

``kubernetes`` is started by the first test that asks for it. What is not installed is built, before
the first test runs, so that a build of minutes counts against no test's timeout.
"""

import asyncio
import os
import subprocess
import uuid
from collections.abc import Callable, Coroutine, Generator, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import pytest

from proxy.demo.assets import Assets, AssetsMissing, find_assets
from proxy.demo.downstream import Downstream, RequestError
from proxy.demo.kubelet import Kubelet, Pod
from tests.parts.builds import BUILDS
from tests.parts.loop_thread import LoopThread

T = TypeVar("T")

NAMESPACE = "parts"
"""The namespace that is there for tests that don't need one to themselves."""

ACCOUNT_SECONDS = 20.0
"""How long a new namespace may wait for its service account, without which it takes no pods."""

KUBECTL_SECONDS = 60.0
"""How long one kubectl may take, unless a test says otherwise."""


class Kubernetes(Downstream):
    """The session's cluster, with a node and a namespace, for tests with and without a loop.

    It lives on a loop in another thread, so its coroutines go through :meth:`call`.
    """

    namespace = NAMESPACE

    def __init__(self, directory: Path, loop: LoopThread, assets: Assets) -> None:
        super().__init__(directory, audit=True, assets=assets)
        self.kubelet = Kubelet(self, directory / "node", assets=assets)
        self._loop = loop

    def call(self, work: Coroutine[Any, Any, T]) -> T:
        """Run one of the cluster's coroutines: ``kubernetes.call(kubernetes.restart())``."""
        return self._loop.call(work)

    def running_pod(self, name: str, namespace: str = NAMESPACE) -> Pod:
        """Create a Pod that runs, as far as kubectl can tell."""
        return self.call(self.kubelet.run_pod(name, namespace))

    def create_namespace(self, name: str) -> None:
        """Create a namespace, and wait until pods may be created in it."""
        self.call(self._create_namespace(name))

    def delete_namespace(self, name: str) -> None:
        """Ask for a namespace, and all in it, to be deleted; the controller does it later."""
        self.call(self._delete_namespace(name))

    async def _create_namespace(self, name: str) -> None:
        await self.request("POST", "/api/v1/namespaces", {"metadata": {"name": name}})
        account = f"/api/v1/namespaces/{name}/serviceaccounts/default"
        async with asyncio.timeout(ACCOUNT_SECONDS):
            while not await self._exists(account):
                await asyncio.sleep(0.02)

    async def _delete_namespace(self, name: str) -> None:
        if await self._exists(f"/api/v1/namespaces/{name}"):
            await self.request("DELETE", f"/api/v1/namespaces/{name}")

    async def _exists(self, path: str) -> bool:
        try:
            await self.request("GET", path)
        except RequestError as exc:
            if exc.status == 404:
                return False
            raise
        return True


def kubectl(
    kubeconfig: Path,
    *arguments: str | Path,
    input: str | None = None,  # noqa: A002 (subprocess calls it so)
    timeout: float = KUBECTL_SECONDS,
    env: Mapping[str, str] | None = None,
) -> subprocess.CompletedProcess[str]:
    """Run the real kubectl to its end, whatever its exit code is."""
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


def start_kubectl(kubeconfig: Path, *arguments: str | Path) -> subprocess.Popen[str]:
    """Start a kubectl that goes on (``logs -f``, ``port-forward``); use it in ``with running``."""
    return subprocess.Popen(
        kubectl_command(kubeconfig, *arguments),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        bufsize=1,
        env=kubectl_environment(kubeconfig),
    )


def kubectl_command(kubeconfig: Path, *arguments: str | Path) -> list[str]:
    """Return kubectl's command line."""
    program = find_assets().path("kubectl")
    return [str(program), f"--kubeconfig={kubeconfig}", *map(str, arguments)]


def kubectl_environment(kubeconfig: Path) -> dict[str, str]:
    """Return an environment in which kubectl finds nothing of the user's, and leaves nothing."""
    home = kubeconfig.parent / "kubectl-home"
    home.mkdir(exist_ok=True)
    return {"PATH": os.environ["PATH"], "HOME": str(home), "LANG": "C.UTF-8"}


@pytest.fixture(scope="session")
def kubernetes_assets(pytestconfig: pytest.Config) -> Assets:
    """Every program that a cluster needs; no Kubernetes is a failure in CI and a skip elsewhere."""
    return required_assets(find_assets())


def required_assets(assets: Assets) -> Assets:
    """The same, if nothing is missing: a failure in CI and a skip elsewhere."""
    try:
        assets.require()
    except AssetsMissing as exc:
        if os.environ.get("CI"):
            pytest.fail(str(exc), pytrace=False)
        pytest.skip(str(exc))
    return assets


@pytest.fixture(scope="session")
def kubernetes(
    kubernetes_assets: Assets, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Kubernetes]:
    """The session's cluster: one API server with an audit log, controllers, node and namespace."""
    with LoopThread() as loop:
        cluster = Kubernetes(tmp_path_factory.mktemp("kubernetes"), loop, kubernetes_assets)
        loop.call(cluster.__aenter__())
        try:
            loop.call(cluster.kubelet.start())
            cluster.create_namespace(NAMESPACE)
            yield cluster
        finally:
            loop.call(cluster.kubelet.stop())
            loop.call(cluster.__aexit__(None, None, None))


@pytest.fixture
def namespace(kubernetes: Kubernetes) -> Iterator[str]:
    """A namespace of the test's own."""
    name = f"test-{uuid.uuid4().hex[:10]}"
    kubernetes.create_namespace(name)
    yield name
    kubernetes.delete_namespace(name)


@pytest.fixture
def running_pod(kubernetes: Kubernetes) -> Callable[..., Pod]:
    """``running_pod(name, namespace)`` creates a Pod on which exec, logs and the like work."""
    return kubernetes.running_pod


def base_build() -> tuple[str, ...]:
    """What build.py must do for the newest release: what is missing, and a stand-in of today's."""
    needed = [name for name in find_assets().missing() if name != "etcd"]
    if "kubelet-standin" not in needed:
        needed.append("kubelet-standin")
    return tuple(part for name in needed for part in ("--component", name))


def needs_kubernetes(item: pytest.Item) -> bool:
    """Whether a test runs a cluster."""
    return "kubernetes_assets" in _fixtures(item)


def _fixtures(item: pytest.Item) -> Sequence[str]:
    return getattr(item, "fixturenames", ())


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Put files without a cluster first, and begin to build for the others meanwhile.

    Of those with one, the comparison of versions comes first: it takes longest.
    """
    later = {item.path for item in items if needs_kubernetes(item)}
    items.sort(key=lambda item: (item.path in later, "versions" not in _fixtures(item)))
    if later and not config.option.collectonly:
        config.stash[_BASE] = base_build()
        BUILDS.want(*config.stash[_BASE], first=True)


@pytest.hookimpl(trylast=True)
def pytest_collection_finish(session: pytest.Session) -> None:
    """Build what the collected tests need and the machine doesn't have."""
    BUILDS.start()


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Wait for what a test needs before its time begins to count."""
    if needs_kubernetes(item):
        await_builds(item.config, [item.config.stash.get(_BASE, ())])
    return (yield)


_BASE = pytest.StashKey[tuple[str, ...]]()


def await_builds(config: pytest.Config, steps: list[tuple[str, ...]]) -> None:
    """Wait for builds, and show on the terminal what they have said."""
    if not BUILDS.pending(steps):
        return
    capture = config.pluginmanager.getplugin("capturemanager")
    assert capture is not None
    with capture.global_and_fixture_disabled():
        print("\nwaiting for a build of Kubernetes", flush=True)
        BUILDS.wait(steps)
        print(BUILDS.said(), flush=True)
