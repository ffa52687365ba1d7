"""A server with a real cluster, and the command lines of its users."""

from collections.abc import Iterator

import pytest

from tests.proxy.cli.verbs.conftest import CommandLine, World
from tests.support.kubernetes import Kubernetes
from tests.support.sekisho import free_port, make_sekisho


@pytest.fixture(scope="package")
def world(tmp_path_factory: pytest.TempPathFactory, kubernetes: Kubernetes) -> Iterator[World]:
    """A server with the cluster prod. root is an administrator, alice owns prod."""
    folder = tmp_path_factory.mktemp("apply")
    server = make_sekisho(folder, (free_port(), free_port()))
    users = {"root": server.create_user("root", "--admin"), "alice": server.create_user("alice")}
    kubeconfig = str(kubernetes.admin_kubeconfig)
    server.run("admin", "cluster", "import", "prod", "--kubeconfig", kubeconfig)
    server.run("admin", "cluster", "grant", "prod", "--user", "alice", "--role", "owner")
    server.start()
    yield World(server, folder, users)
    server.stop()


@pytest.fixture
def root(world: World) -> CommandLine:
    """The command line of an administrator."""
    return world.of("root")


@pytest.fixture
def alice(world: World) -> CommandLine:
    """The command line of the owner of prod."""
    return world.of("alice")
