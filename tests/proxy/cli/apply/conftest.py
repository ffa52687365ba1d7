"""A server with a real cluster, and the command lines of its users."""

from collections.abc import Iterator

import pytest

from tests.proxy.cli.verbs.conftest import CommandLine, World, running_copy
from tests.support.kubernetes import Kubernetes
from tests.support.sekisho import free_port, make_sekisho


@pytest.fixture(scope="module")
def world(prepared_world: World, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A server with the cluster prod. root is an administrator, alice owns prod."""
    yield from running_copy(prepared_world, tmp_path_factory.mktemp("apply") / "server")


@pytest.fixture(scope="session")
def prepared_world(tmp_path_factory: pytest.TempPathFactory, kubernetes: Kubernetes) -> World:
    """The world of which ``world`` runs copies."""
    folder = tmp_path_factory.mktemp("apply")
    server = make_sekisho(folder, (free_port(), free_port()))
    users = {"root": server.create_user("root", "--admin"), "alice": server.create_user("alice")}
    kubeconfig = str(kubernetes.admin_kubeconfig)
    server.change("admin", "cluster", "import", "prod", "--kubeconfig", kubeconfig)
    server.change("admin", "cluster", "grant", "prod", "--user", "alice", "--role", "owner")
    return World(server, folder, users)


@pytest.fixture
def root(world: World) -> CommandLine:
    """The command line of an administrator."""
    return world.of("root")


@pytest.fixture
def alice(world: World) -> CommandLine:
    """The command line of the owner of prod."""
    return world.of("alice")
