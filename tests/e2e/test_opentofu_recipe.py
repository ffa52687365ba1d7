"""The recipe for OpenTofu (docs/recipes/opentofu.md), with the real one and the real provider."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.go_programs import KUBERNETES_PROVIDER, TOFU, built, on_request
from tests.support.kubernetes import Kubernetes
from tests.support.page_session import ROOT, SERVER, PageSession
from tests.support.sekisho import PASSWORD, free_port, make_sekisho, running

pytestmark = [on_request, pytest.mark.timeout(3600)]

RECIPES = ROOT / "docs" / "recipes"
PROVIDER_NAME = "terraform-provider-kubernetes"


@pytest.fixture
def session(kubernetes: Kubernetes, tmp_path: Path) -> Iterator[PageSession]:
    """An administrator of a cluster, with OpenTofu and its provider."""
    folder = tmp_path / "sekisho"
    folder.mkdir()
    server = make_sekisho(folder, (free_port(), free_port()))
    server.prepare(
        "admin", "cluster", "import", "prod", "--kubeconfig", str(kubernetes.admin_kubeconfig)
    )
    with running(server):
        server.create_user("root", "--admin")
        made = PageSession(server, tmp_path / "people", {"administrator": PASSWORD})
        made.sign_in("administrator", "root")
        providers = tmp_path / "providers"
        providers.mkdir()
        (providers / PROVIDER_NAME).symlink_to(built(KUBERNETES_PROVIDER, PROVIDER_NAME))
        (made.home("administrator") / ".tofurc").write_text(
            'provider_installation { dev_overrides { "hashicorp/kubernetes" = '
            f'"{providers}" }} }}\n'
        )
        yield made


def test_page_names_the_versions_that_are_tried() -> None:
    text = (RECIPES / "other-clients.md").read_text()
    assert TOFU.version.removeprefix("v") in text
    assert KUBERNETES_PROVIDER.version.removeprefix("v") in text


def test_opentofu_keeps_namespaces_of_a_project(
    session: PageSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    programs = tmp_path / "programs"
    programs.mkdir()
    (programs / "tofu").symlink_to(built(TOFU, "tofu"))
    monkeypatch.setenv("PATH", str(programs), prepend=":")
    page = RECIPES / "opentofu.md"
    session.follow(page, "The account")
    shutil.copy(session.home(SERVER) / "tofu.kubeconfig", session.home("administrator"))
    session.follow(page, "The configuration")
