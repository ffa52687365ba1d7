"""The fixture ``proxy``: a server in front of the session's cluster, with users of all roles."""

from collections.abc import Generator, Iterator
from pathlib import Path

import pytest

from management.kubernetes.manifests import CONTROLLER, IMPERSONATOR, NAMESPACE
from tests.support.kubernetes import Kubernetes
from tests.support.sekisho import (
    SekishoWithUsers,
    await_bindings,
    free_port,
    make_sekisho,
    running,
)


@pytest.fixture(scope="module")
def proxy(
    prepared_proxy: SekishoWithUsers, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[SekishoWithUsers]:
    """Run a Sekisho with the cluster ``test``.

    alice is its owner, bob a member, carol has read-only access, dave has none, and root is an
    administrator. Each module has its own server, so that nothing depends on modules before it.
    """
    yield from running_copy(prepared_proxy, tmp_path_factory.mktemp("proxy") / "sekisho")


def running_copy(
    prepared: SekishoWithUsers, folder: Path, **environment: str
) -> Iterator[SekishoWithUsers]:
    """Run a copy in a folder that does not exist yet, once the cluster has its RBAC objects."""
    with running(copy_of(prepared, folder, **environment)) as started:
        await_bindings(started)
        yield started


def copy_of(prepared: SekishoWithUsers, folder: Path, **environment: str) -> SekishoWithUsers:
    """Return a stopped copy in a folder that does not exist yet, with more environment."""
    copied = prepared.copied_to(folder)
    copied.configs = {name: folder / file.name for name, file in prepared.configs.items()}
    copied.environment = {**prepared.environment, **environment}
    return copied


@pytest.fixture(scope="session")
def prepared_proxy(
    kubernetes: Kubernetes, tmp_path_factory: pytest.TempPathFactory
) -> SekishoWithUsers:
    """Return a stopped server of which ``proxy`` runs copies."""
    folder = tmp_path_factory.mktemp("sekisho")
    configured = make_sekisho(folder, (free_port(), free_port()))
    made = SekishoWithUsers(folder, configured.port, configured.metrics_port)
    made.change(
        "admin", "cluster", "import", "test", "--kubeconfig", str(kubernetes.admin_kubeconfig)
    )
    with running(made):  # makes the certificate, which kubeconfigs contain
        made.first_password = made.output.partition("one-time password: ")[2].split()[0]
        for name in ("alice", "bob", "carol", "dave"):
            made.users[name] = made.create_user(name)
        made.users["root"] = made.create_user("root", "--admin")
        for name, role in (("alice", "owner"), ("bob", "member"), ("carol", "read-only")):
            made.change("admin", "cluster", "grant", "test", "--user", name, "--role", role)
        for name in ("alice", "bob", "carol", "root"):
            made.configs[name] = made.kubeconfig(name)
    return made


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(
    item: pytest.Item, nextitem: pytest.Item | None
) -> Generator[None, object, object]:
    """Assert after each module that Sekisho's accounts in the session's cluster are the same.

    All servers with that cluster use them. A module that deletes them needs a cluster of its own.
    """
    cluster = getattr(item, "funcargs", {}).get("kubernetes")
    if isinstance(cluster, Kubernetes):
        item.config.stash[_CLUSTER] = cluster
    done = yield
    cluster = item.config.stash.get(_CLUSTER, None)
    if cluster is not None and nextitem is not None and nextitem.path != item.path:
        before = item.config.stash.get(_ACCOUNTS, {})
        found = item.config.stash[_ACCOUNTS] = accounts(cluster)
        assert before.items() <= found.items(), f"{item.path.name} has replaced Sekisho's accounts"
    return done


def accounts(kubernetes: Kubernetes) -> dict[str, str]:
    """Return the uids of Sekisho's service accounts in a cluster, by name."""
    path = f"/api/v1/namespaces/{NAMESPACE}/serviceaccounts"
    found = kubernetes.call(kubernetes.request("GET", path))["items"]
    uids = {one["metadata"]["name"]: one["metadata"]["uid"] for one in found}
    return {name: uids[name] for name in (IMPERSONATOR, CONTROLLER) if name in uids}


_CLUSTER = pytest.StashKey[Kubernetes]()
_ACCOUNTS = pytest.StashKey[dict[str, str]]()
