"""A server with a management cluster, from which clusters are ordered.

The engine is Cluster API's core manager. Its infrastructure is the stand-in of
``tests/support/capi``, whose created clusters are real API servers.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.proxy.cli.verbs.conftest import World
from tests.support.capi.management_cluster import ManagementCluster
from tests.support.capi.standin_kinds import VERSIONS
from tests.support.sekisho import free_port, make_sekisho, running

QUOTA = "quota of 8 CPUs exceeded"
ORDER = ("--class", "standin", "--version", VERSIONS[0])


@pytest.fixture(scope="module")
def world(
    management_cluster: ManagementCluster, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[World]:
    """A server with the management cluster mgmt. alice may order, and bob may not."""
    with ordering(management_cluster, tmp_path_factory.mktemp("orders")) as made:
        yield made


@contextmanager
def ordering(
    management_cluster: ManagementCluster, folder: Path, **environment: str
) -> Iterator[World]:
    """Run a server with the management cluster mgmt. ``environment`` are settings."""
    server = make_sekisho(folder, (free_port(), free_port()))
    server.environment |= environment
    users = {"root": server.create_user("root", "--admin")}
    users |= {name: server.create_user(name) for name in ("alice", "bob")}
    with running(server):
        made = World(server, folder, users)
        root = made.of("root")
        root.run("cluster", "import", "mgmt", "--kubeconfig", str(management_cluster.kubeconfig))
        root.run("binding", "create", "provisioner", "--user", "alice")
        enable = ("cluster", "management", "enable", "mgmt")
        management_cluster.forget_sekisho()
        root.run(*enable, "--namespace", management_cluster.namespace)
        yield made
        management_cluster.delete_all()
