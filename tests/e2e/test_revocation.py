"""Access that ends, and limits of tokens, against a real cluster."""

from pathlib import Path

from tests.e2e.raw_requests import (
    PODS,
    REVIEW,
    WHOAMI,
)
from tests.support.kubernetes import Kubernetes, kubectl
from tests.support.sekisho import SekishoWithUsers, free_port, make_sekisho
from tests.support.waiting import wait_until


def test_token_scoped_to_another_cluster_is_rejected(
    proxy: SekishoWithUsers, kubernetes: Kubernetes
) -> None:
    proxy.run(
        *(
            "admin",
            "cluster",
            "add",
            "other",
            "--server",
            kubernetes.servers[0].replace("127.0.0.1", "localhost"),
        ),
        *("--ca-file", str(kubernetes.ca_file)),
        *("--token-file", str(_impersonator_token(proxy, kubernetes))),
    )
    scoped = proxy.token("root", "--cluster", "other")
    wait_until(
        lambda: proxy.request("GET", "/k8s/clusters/other/version", token=scoped).status == 200, 2
    )
    refused = proxy.request("GET", PODS, token=scoped)
    assert refused.status == 403
    assert "is not for cluster" in refused.json()["message"]
    assert proxy.request("GET", "/v1/tokens", token=scoped).status == 403


def _impersonator_token(proxy: SekishoWithUsers, kubernetes: Kubernetes) -> Path:
    file = proxy.folder / "impersonator.token"
    token = kubectl(
        kubernetes.admin_kubeconfig,
        "-n",
        "sekisho-system",
        "create",
        "token",
        "sekisho-impersonator",
    )
    file.write_text(token.stdout)
    return file


def test_read_only_token_allows_reads_and_self_reviews_only(
    proxy: SekishoWithUsers,
) -> None:
    token = proxy.token("alice", "--read-only")
    assert proxy.request("GET", PODS, token=token).status == 200
    assert proxy.request("POST", WHOAMI, token=token, body=REVIEW).status == 201
    assert proxy.request("POST", PODS, token=token, body={}).status == 403
    assert proxy.request("DELETE", f"{PODS}/x", token=token).status == 403
    upgrade = {"Connection": "Upgrade", "Upgrade": "websocket"}
    assert proxy.request("GET", f"{PODS}/x/exec", token=token, headers=upgrade).status == 403
    assert proxy.request("GET", f"{PODS}/x/proxy/", token=token).status == 403


def test_revoked_token_and_revoked_grant_take_effect_within_a_second(
    proxy: SekishoWithUsers,
) -> None:
    token = proxy.token("carol")
    assert proxy.request("GET", PODS, token=token).status == 200
    proxy.prepare("admin", "cluster", "revoke", "test", "--user", "carol")
    wait_until(lambda: proxy.request("GET", PODS, token=token).status == 404, 1.5)
    proxy.prepare("admin", "cluster", "grant", "test", "--user", "carol", "--role", "read-only")
    wait_until(lambda: proxy.request("GET", PODS, token=token).status == 200, 1.5)
    proxy.prepare("admin", "token", "revoke", token)
    wait_until(lambda: proxy.request("GET", PODS, token=token).status == 401, 1.5)


def test_disabled_user_is_rejected_within_a_second(proxy: SekishoWithUsers) -> None:
    user_id = proxy.create_user("erin", "--admin")
    token = proxy.token("erin")
    assert proxy.request("GET", PODS, token=token).status == 200
    proxy.prepare("admin", "user", "disable", user_id)
    wait_until(lambda: proxy.request("GET", PODS, token=token).status == 401, 1.5)


def test_token_revoked_on_one_replica_is_rejected_by_the_other_within_a_second(
    tmp_path: Path, kubernetes: Kubernetes, postgres_database: str
) -> None:
    replicas = []
    (tmp_path / "keys").write_text("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n")
    for number in range(2):
        folder = tmp_path / str(number)
        folder.mkdir()
        extra = f"store: {{url: '{postgres_database}', encryption_keys_file: ../keys}}\n"
        replicas.append(make_sekisho(folder, (free_port(), free_port()), extra))
    first, second = replicas
    first.prepare(
        "admin", "cluster", "import", "test", "--kubeconfig", str(kubernetes.admin_kubeconfig)
    )
    for replica in replicas:
        replica.start()
    try:
        first.create_user("root", "--admin")
        token = first.token("root")
        for replica in replicas:
            assert replica.request("GET", PODS, token=token).status == 200
        name = token.partition(":")[0]
        assert first.request("DELETE", f"/v1/tokens/{name}", token=token).status == 204
        assert first.request("GET", PODS, token=token).status == 401
        wait_until(lambda: second.request("GET", PODS, token=token).status == 401, 1.0)
    finally:
        for replica in replicas:
            replica.stop()
