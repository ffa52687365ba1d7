"""The pages about the first cluster and the first project, followed with real programs."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.kubernetes import Kubernetes
from tests.support.page_session import ROOT, SERVER, PageSession
from tests.support.sekisho import PASSWORD, free_port, make_sekisho, running

pytestmark = pytest.mark.timeout(600)

TASKS = ROOT / "docs" / "tasks"


@pytest.fixture
def new_server(kubernetes: Kubernetes, tmp_path: Path) -> Iterator[PageSession]:
    """A new installation without clusters, and the administrator's kubeconfig of one."""
    folder = tmp_path / "sekisho"
    folder.mkdir()
    server = make_sekisho(folder, (free_port(), free_port()))
    with running(server):
        first = server.output.partition("one-time password: ")[2].split()[0]
        session = PageSession(
            server, tmp_path / "people", {"administrator": first, "maria": PASSWORD}
        )
        shutil.copy(
            kubernetes.admin_kubeconfig, session.home("administrator") / "prod-admin.kubeconfig"
        )
        yield session


def test_pages_lead_from_a_new_server_to_a_project_in_use(new_server: PageSession) -> None:
    session = new_server
    session.follow(TASKS / "first-cluster.md")
    session.server.create_user("bob")
    session.passwords["bob"] = PASSWORD
    session.sign_in("bob")
    session.follow(TASKS / "first-project.md")
    other = ROOT / "docs" / "recipes" / "other-clients.md"
    session.follow(other, "The account")
    shutil.copy(session.home(SERVER) / "flux.kubeconfig", session.home("administrator"))
    session.follow(ROOT / "docs" / "recipes" / "flux.md", "The Secret")
