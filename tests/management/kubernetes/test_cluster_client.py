"""Clients of stored clusters: by which way they connect."""

import pytest

from config.dialing import NO_WAY
from management.kubernetes.client import ClusterClient
from management.kubernetes.cluster_client import controller_client, dialer_of, endpoint_of
from management.kubernetes.errors import ApiAgentUnavailable
from tests.store.records import a_cluster
from tests.support.agent_tunnels import agents
from tests.support.scripted_api_server import ScriptedApiServer, issue, make_authority

URL = "https://kubernetes.default.svc"


def test_direct_cluster_has_no_dialer() -> None:
    assert dialer_of(a_cluster()) is None
    assert dialer_of(a_cluster(dialer=NO_WAY)) is None


async def test_cluster_of_an_agent_is_never_connected_to_directly() -> None:
    """A command has no tunnels, and the servers' names mean something else here."""
    authority = make_authority()
    with ScriptedApiServer(issue(authority)) as api_server:
        cluster = a_cluster(
            servers=(api_server.url,), ca_pem=authority.certificate_pem.decode(), reach="agent"
        )
        async with controller_client(cluster) as client:
            with pytest.raises(ApiAgentUnavailable, match="agent is not connected") as error:
                await client.get("/version")
        assert error.value.reason == "NoAgent"
        assert api_server.received == []


async def test_client_of_a_stored_cluster_connects_by_its_dialer() -> None:
    authority = make_authority()
    with ScriptedApiServer(issue(authority, name="kubernetes.default.svc")) as api_server:
        async with agents(api_server.port) as dialer:
            ca_pem = authority.certificate_pem.decode()
            cluster = a_cluster(servers=(URL,), ca_pem=ca_pem, reach="agent", dialer=dialer)
            assert endpoint_of(cluster).dialer is dialer
            async with controller_client(cluster) as client:
                assert await _answers(client)
                api_server.disconnect()
                with pytest.raises(ApiAgentUnavailable, match="connection refused") as error:
                    await client.get("/version")
            assert error.value.reason == "AgentCannotReachApiServer"


async def _answers(client: ClusterClient) -> bool:
    return await client.get("/version") == {}
