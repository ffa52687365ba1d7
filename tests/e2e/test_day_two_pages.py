"""The pages about people who leave and about incidents, followed with real programs."""

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from proxy.demo.binaries import Binaries
from proxy.demo.local_cluster import LocalCluster
from tests.support.fault_proxy import FaultProxy
from tests.support.kubernetes import Kubernetes, kubectl, start_kubectl
from tests.support.loop_thread import LoopThread
from tests.support.openldap import PASSWORD as DIRECTORY_PASSWORD
from tests.support.openldap import OpenLdap, user_dn
from tests.support.page_session import ROOT, PageSession, with_directory
from tests.support.sekisho import PASSWORD, free_port, make_sekisho, running
from tests.support.waiting import BUSY_SECONDS, wait_until

pytestmark = pytest.mark.timeout(600)

TASKS = ROOT / "docs" / "tasks"


@dataclass
class Site:
    """A Sekisho, its readers, and the ways to a directory and a cluster, which can be cut."""

    session: PageSession
    directory: FaultProxy
    cluster: FaultProxy


@pytest.fixture(scope="module")
def site(
    kubernetes: Kubernetes, openldap: OpenLdap, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("day-two")
    api_server = int(kubernetes.servers[0].rpartition(":")[2])
    with FaultProxy(openldap.tls_port) as directory, FaultProxy(api_server) as cluster:
        providers = with_directory(openldap, servers=[f"ldaps://127.0.0.1:{directory.port}"])
        server = make_sekisho(folder, (free_port(), free_port()), providers)
        kubeconfig = folder / "prod-admin.kubeconfig"
        shutil.copy(kubernetes.admin_kubeconfig, kubeconfig)
        text = kubeconfig.read_text().replace(f":{api_server}", f":{cluster.port}")
        kubeconfig.write_text(text)
        server.prepare("admin", "cluster", "import", "prod", "--kubeconfig", str(kubeconfig))
        with running(server):
            session = PageSession(server, folder / "people")
            sign_in_administrator(session)
            shutil.copy(kubeconfig, session.home("administrator"))
            session.passwords |= {"rescuer": PASSWORD, "oncall": PASSWORD}
            session.passwords["maria"] = DIRECTORY_PASSWORD
            session.words[" --username maria"] = " --provider corp --username maria"
            openldap.create_user("maria")
            session.sign_in("maria")
            grant = ("admin", "cluster", "grant", "prod", "--user", "maria", "--role", "member")
            server.change(*grant)
            yield Site(session, directory, cluster)


def sign_in_administrator(session: PageSession) -> None:
    """Sign the first administrator in, with a password that the tests know."""
    set_password = ("admin", "user", "set-password", "admin", "--password-stdin")
    session.server.prepare(*set_password, stdin=PASSWORD)
    session.passwords["administrator"] = PASSWORD
    session.sign_in("administrator", "admin --provider local")


def test_page_about_a_provider_that_is_down(site: Site) -> None:
    session, page = site.session, TASKS / "provider-down.md"
    site.directory.refuse()
    try:
        session.follow(page, "1. See what is wrong")
        (session.home("server") / "breakglass.password").write_text("a password for one day\n")
        session.passwords["breakglass"] = "a password for one day"
        session.follow(page, "2. Get in without the provider")
        session.follow(page, "3. Let a few users work")
        whoami = session.server.request("GET", "/v1/me", token=session.token("maria"))
        assert whoami.status == 200, "sessions of the provider's users work meanwhile"
    finally:
        site.directory.clear_faults()
    session.follow(page, "4. When it is back")


def test_page_about_a_cluster_that_is_lost(site: Site) -> None:
    session, page = site.session, TASKS / "cluster-lost.md"
    admin = session.home("administrator") / "prod-admin.kubeconfig"
    root = session.token("administrator")
    made = session.server.request(
        "POST", "/v1/projects", token=root, body={"cluster": "prod", "name": "shop"}
    )
    assert made.status == 201, made.body
    site.cluster.refuse()
    try:
        session.follow(page, "1. Find out what is lost")
    finally:
        site.cluster.clear_faults()
    session.follow(page, "2. The cluster comes back")
    before = clusters(session)
    session.follow(page, "4. The cluster was rebuilt")
    assert clusters(session) != before, "the new record has an id of its own"
    session.follow(page, "5. The cluster is gone")
    assert clusters(session) == []
    accounts = kubectl(admin, "-n", "sekisho-system", "get", "serviceaccounts", "-o", "name")
    assert "sekisho-impersonator" in accounts.stdout
    reimport(session)


def test_page_about_a_leaked_token(site: Site) -> None:
    session, page = site.session, TASKS / "token-leaked.md"
    leaked, other = (session.server.token("maria", "--ttl", "1d") for _ in range(2))
    session.words |= {
        "TOKEN-NAME": leaked.partition(":")[0],
        "OTHER-NAME": other.partition(":")[0],
    }
    stolen = {"metadata": {"name": "stolen"}}
    path = "/k8s/clusters/prod/api/v1/namespaces/default/configmaps"
    session.server.request("DELETE", f"{path}/stolen", token=leaked)
    assert session.server.request("POST", path, token=leaked, body=stolen).status == 201
    session.follow(page, "1. Revoke it")
    wait_until(
        lambda: all(
            session.server.request("GET", path, token=token).status == 401
            for token in (leaked, other)
        )
    )
    session.follow(page, "2. See what it did")
    session.follow(page, "3. Replace it")


@pytest.fixture
def own_cluster(kubernetes_assets: Binaries, tmp_path: Path) -> Iterator[LocalCluster]:
    """A cluster of the test. Sekisho's accounts in the session's are those of other servers."""
    with LoopThread() as loop:
        cluster = LocalCluster(tmp_path / "cluster", controllers=False, assets=kubernetes_assets)
        loop.call(cluster.__aenter__())
        try:
            yield cluster
        finally:
            loop.call(cluster.__aexit__(None, None, None))


def test_page_about_a_leaked_token_of_sekishos_accounts(
    own_cluster: LocalCluster, tmp_path: Path
) -> None:
    folder = tmp_path / "sekisho"
    folder.mkdir()
    server = make_sekisho(folder, (free_port(), free_port()))
    kubeconfig = str(own_cluster.admin_kubeconfig)
    server.prepare("admin", "cluster", "import", "prod", "--kubeconfig", kubeconfig)
    with running(server):
        session = PageSession(server, tmp_path / "people")
        sign_in_administrator(session)
        admin = session.home("administrator") / "prod-admin.kubeconfig"
        shutil.copy(kubeconfig, admin)
        old = uids_of_accounts(admin)
        session.follow(TASKS / "token-leaked.md", "A token of Sekisho's accounts")
        assert old.isdisjoint(uids_of_accounts(admin))


def test_page_about_a_person_who_leaves(site: Site, openldap: OpenLdap) -> None:
    session, page = site.session, TASKS / "offboarding.md"
    server = session.server
    session.type_as("maria", "sekisho kubeconfig --merge")
    kubeconfig = session.home("maria") / ".kube" / "config"
    with_token = server.kubeconfig("maria", "prod")
    created = server.request(
        "POST",
        "/k8s/clusters/prod/api/v1/namespaces/default/serviceaccounts/default/token",
        token=session.token("maria"),
        body={"spec": {}},
    )
    assert created.status == 201, created.body
    with start_kubectl(with_token, "get", "configmaps", "--watch") as watch:
        assert watch.stdout is not None
        watch.stdout.readline()
        openldap.modify(f"dn: {user_dn('maria')}\nchangetype: delete\n")
        session.follow(page, "1. End the access")
        watch.wait(BUSY_SECONDS)
    refused = kubectl(kubeconfig, "get", "pods")
    assert refused.returncode != 0
    proof = session.follow(page, "2. Prove it")
    assert "session-" not in proof
    assert "token-" not in proof
    session.follow(page, "3. Look for what Sekisho does not end")
    session.follow(page, "4. Delete the user")


def clusters(session: PageSession) -> list[str]:
    """Return the ids of the server's clusters."""
    token = session.token("administrator")
    found = session.server.request("GET", "/v1/clusters", token=token).json()["items"]
    return [str(one["id"]) for one in found]


def reimport(session: PageSession) -> None:
    """Import the cluster and let maria in, as the next test needs it."""
    session.type_as(
        "administrator", "sekisho cluster import prod --kubeconfig prod-admin.kubeconfig"
    )
    session.type_as("administrator", "sekisho member add maria --role member --cluster prod")


def uids_of_accounts(kubeconfig: Path) -> set[str]:
    """Return the uids of Sekisho's accounts in the cluster: each token belongs to one."""
    accounts = ("sekisho-impersonator", "sekisho-controller")
    listed = kubectl(
        kubeconfig,
        *("-n", "sekisho-system", "get", "serviceaccounts", *accounts),
        *("-o", "jsonpath={.items[*].metadata.uid}"),
    )
    assert listed.returncode == 0, listed.stderr
    return set(listed.stdout.split())
