"""Access reviews and credential checks over a dialer, and what the agent sees of them."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import pytest

from impersonation.identity import Subject
from impersonation.nested import ImpersonationPermission
from proxy.transport.certificates import KeyPair
from proxy.transport.client_tls import ClientTLSContexts
from proxy.upstream.access_review import PATH, AccessReviewer, ReviewFailed
from proxy.upstream.credential_check import CredentialChecks, Verdict
from store.records import Cluster
from tests.store.records import a_cluster
from tests.support.agent_tunnels import AgentDialer, agents
from tests.support.scripted_api_server import (
    ScriptedApiServer,
    issue,
    make_authority,
    respond_json,
)
from tests.support.waiting import eventually

URL = "https://kubernetes.default.svc"
TOKEN = "impersonator-secret"
ALICE = Subject("alice", "u-1", ("dev",), {})
JANE = ImpersonationPermission("users", "jane")


@pytest.fixture(scope="module")
def authority() -> KeyPair:
    return make_authority()


@pytest.fixture
def api_server(authority: KeyPair) -> Iterator[ScriptedApiServer]:
    with ScriptedApiServer(issue(authority, name="kubernetes.default.svc")) as api_server:
        body = json.dumps({"status": {"allowed": True}}).encode()
        api_server.scripts[PATH] = respond_json(body, b"201 Created")
        yield api_server


def behind(dialer: AgentDialer | None, authority: KeyPair) -> Cluster:
    ca_pem = authority.certificate_pem.decode()
    return a_cluster(
        servers=(URL,),
        ca_pem=ca_pem,
        reach="agent",
        dialer=dialer,
        impersonator_token=TOKEN,
    )


@asynccontextmanager
async def recorded(port: int) -> AsyncIterator[tuple[int, bytearray]]:
    """Relay to a port; yield the port of the relay, and all bytes in both directions."""
    seen = bytearray()

    async def copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(65536):
                seen.extend(data)
                writer.write(data)
                await writer.drain()
        except ConnectionError:
            pass
        writer.close()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection("127.0.0.1", port)
        await asyncio.gather(copy(reader, back), copy(there, writer))

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    yield server.sockets[0].getsockname()[1], seen
    server.close()


async def test_agent_sees_no_plaintext_and_no_token(
    authority: KeyPair, api_server: ScriptedApiServer
) -> None:
    async with recorded(api_server.port) as (port, seen), agents(port) as dialer:
        cluster = behind(dialer, authority)
        reviews = AccessReviewer(cluster, ClientTLSContexts().source(cluster.ca_pem))
        assert await reviews.first_denied(ALICE, [JANE]) is None
        await reviews.close()
        await eventually(lambda: dialer.streams == 0)
    assert api_server.received == [f"POST {PATH}"]
    assert len(seen) > 1000
    for secret in (TOKEN, "Bearer", "HTTP/1.1", "alice", "subjectaccessreviews"):
        assert secret.encode() not in seen


async def test_credential_check_goes_through_the_tunnel(
    authority: KeyPair, api_server: ScriptedApiServer
) -> None:
    async with agents(api_server.port) as dialer:
        cluster = behind(dialer, authority)
        checks = CredentialChecks(cluster, ClientTLSContexts().source(cluster.ca_pem))
        verdict: asyncio.Future[Verdict] = asyncio.get_running_loop().create_future()
        checks.start(URL, b"Authorization: Bearer x\r\n", verdict.set_result)
        assert await verdict is Verdict.ACCEPTED
    assert api_server.received == ["GET /api"]


async def test_review_without_an_agent_denies(authority: KeyPair) -> None:
    cluster = behind(None, authority)
    reviews = AccessReviewer(cluster, ClientTLSContexts().source(cluster.ca_pem))
    with pytest.raises(ReviewFailed):
        await reviews.first_denied(ALICE, [JANE])
    await reviews.close()
