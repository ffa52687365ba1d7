"""The kubeconfig in the engine's Secret, whatever is in it."""

import base64
from typing import Any

import pytest
from aiohttp import web

from config.errors import UserError
from management.errors import ClusterOperationFailed
from management.kubernetes.client import ClusterClient
from management.kubernetes.endpoint import ClusterCredential
from management.provisioning.engine import CLUSTER_NAME
from management.provisioning.importing import MAX_KUBECONFIG, read_kubeconfig, same_authority
from tests.management.conftest import Serve

KUBECONFIG = """
kind: Config
current-context: admin
contexts: [{name: admin, context: {cluster: three, user: admin}}]
clusters: [{name: three, cluster: {server: "https://10.0.0.1:6443"%s}}]
users: [{name: admin, user: {%s}}]
"""
TOKEN = "token: secret-token"


def secret(text: str) -> dict[str, Any]:
    return {
        "metadata": {"name": "three-kubeconfig", "uid": "u", "labels": {CLUSTER_NAME: "three"}},
        "type": "cluster.x-k8s.io/secret",
        "data": {"value": base64.b64encode(text.encode()).decode()},
    }


async def read(serve: Serve, response: Any) -> Any:
    """Return the access in a Secret; ``response`` is its object, or a status."""

    async def handler(request: web.BaseRequest) -> web.StreamResponse:
        assert request.path == "/api/v1/namespaces/ns/secrets/three-kubeconfig"
        if isinstance(response, int):
            return web.json_response({"message": "no"}, status=response)
        return web.json_response(response)

    async with (
        serve(handler) as endpoint,
        ClusterClient(endpoint, ClusterCredential(token="t")) as client,
    ):
        return await read_kubeconfig(client, "ns", "three")


async def test_kubeconfig_with_a_token_is_read(serve: Serve) -> None:
    access = await read(serve, secret(KUBECONFIG % ("", TOKEN)))
    assert access.endpoint.servers == ("https://10.0.0.1:6443",)
    assert access.credential.token == "secret-token"


@pytest.mark.parametrize(
    ("cluster", "user", "reason"),
    [
        ("", "exec: {command: aws}", "plug-in"),
        (", certificate-authority: /etc/passwd", TOKEN, "names a file"),
        ("", "tokenFile: /etc/shadow", "names a file"),
        (", insecure-skip-tls-verify: true", TOKEN, "insecure-skip-tls-verify"),
        (", proxy-url: http://proxy", TOKEN, "proxy-url"),
    ],
)
async def test_kubeconfig_that_runs_or_reads_something_here_is_refused(
    serve: Serve, cluster: str, user: str, reason: str
) -> None:
    with pytest.raises(ClusterOperationFailed, match=reason) as caught:
        await read(serve, secret(KUBECONFIG % (cluster, user)))
    assert "secret-token" not in str(caught.value)


@pytest.mark.parametrize(
    "changed",
    [
        {"metadata": {"name": "three-kubeconfig", "labels": {CLUSTER_NAME: "two"}}},
        {"metadata": {"name": "three-kubeconfig", "labels": {}}},
        {"metadata": {"name": "three-kubeconfig"}},
        {"type": "Opaque"},
        {"type": None},
    ],
)
async def test_secret_that_the_engine_did_not_write_for_the_cluster_is_refused(
    serve: Serve, changed: dict[str, Any]
) -> None:
    """A Secret of an operator, or the user's kubeconfig of a Cluster ``x`` for an order
    ``x-user``."""
    with pytest.raises(ClusterOperationFailed, match="is not that of the Cluster three") as caught:
        await read(serve, secret(KUBECONFIG % ("", TOKEN)) | changed)
    assert "secret-token" not in str(caught.value)


@pytest.mark.parametrize(
    "data",
    [
        None,
        "x",
        {},
        {"value": 1},
        {"value": "!"},
        {"value": "AAAA"},
        {"value": "A" * (MAX_KUBECONFIG + 4)},
        {"value": base64.b64encode(b"\xff\xfe").decode()},
    ],
)
async def test_secret_without_a_kubeconfig_is_refused(serve: Serve, data: Any) -> None:
    broken = secret("")
    del broken["data"]
    if data is not None:
        broken["data"] = data
    with pytest.raises(UserError, match=r"kubeconfig|Kubernetes"):
        await read(serve, broken)


async def test_secret_that_is_not_written_yet_is_awaited(serve: Serve) -> None:
    with pytest.raises(ClusterOperationFailed, match="not written a kubeconfig yet"):
        await read(serve, 404)


def test_authorities_are_compared_without_white_space() -> None:
    assert same_authority("a\nb\n", "a b")
    assert same_authority(None, "")
    assert not same_authority("a", "b")
