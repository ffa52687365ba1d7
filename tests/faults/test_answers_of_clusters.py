"""Hostile responses of a cluster, on every path on which Sekisho reads its responses.

One server on a real socket sends the same response to every request. Each operation must end, with
a known error, and take no more memory than a few responses may.
"""

import asyncio
import itertools
import json
import resource
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from management.clusters.user_tokens import ServiceAccountMissing
from management.errors import ManagementError
from management.kubernetes.endpoint import ClusterEndpoint
from management.kubernetes.errors import ClusterApiError
from proxy.transport.certificates import KeyPair
from proxy.transport.client_tls import ClientTLSContexts
from proxy.upstream.access_review import ReviewFailed
from store.encryption import Keyring, generate_key
from store.records import CredentialSource
from tests.faults.cluster_operations import PATH, PATHS, World, with_real_limits
from tests.faults.hostile_answers import ANSWERS, Everywhere, MiB, whole
from tests.store.records import a_cluster
from tests.support.addresses import LOOPBACK_ALLOWED
from tests.support.scripted_api_server import (
    ReceivedRequest,
    ScriptedApiServer,
    issue,
    make_authority,
)
from tests.support.stores import open_new_store

MOST_GROWTH = 200 * MiB
"""How much the process may grow: the server's part of it, and a few answers that are being read."""


CLEAN = (ClusterApiError, ManagementError, ReviewFailed, ServiceAccountMissing)
"""The errors that each caller knows. Anything else is a 500, or the end of a controller."""


@pytest.fixture(scope="module")
def authority() -> KeyPair:
    return make_authority()


@pytest.fixture(scope="module")
def api_server(authority: KeyPair) -> Iterator[ScriptedApiServer]:
    with ScriptedApiServer(issue(authority)) as api_server:
        yield api_server


@pytest.fixture
async def world(
    api_server: ScriptedApiServer,
    authority: KeyPair,
    tmp_path: Path,
) -> AsyncIterator[World]:
    ca_pem = authority.certificate_pem.decode()
    store = await open_new_store(
        f"sqlite:///{tmp_path}/store.db",
        Keyring.parse(generate_key()),
        addresses=LOOPBACK_ALLOWED,
    )
    cluster = a_cluster(
        servers=(api_server.url,),
        ca_pem=ca_pem,
        tls_server_name=None,
        impersonator_token="t",
        controller_token="t",
        credential_source=CredentialSource.TOKEN_REQUEST,
        tokens_expire_at=datetime.now(UTC) + timedelta(days=1),
        addresses=LOOPBACK_ALLOWED,
    )
    await store.clusters.create(cluster)
    endpoint = ClusterEndpoint((api_server.url,), ca_pem, addresses=LOOPBACK_ALLOWED)
    world = World(store, cluster, endpoint, ClientTLSContexts().source(ca_pem))
    async with world.client:
        yield world
    await world.reviews.close()
    await store.close()


@pytest.mark.parametrize("answer", ANSWERS)
async def test_no_response_on_any_path_takes_much_memory_or_raises_an_unknown_error(
    world: World, api_server: ScriptedApiServer, answer: str
) -> None:
    api_server.scripts = Everywhere(ANSWERS[answer]())
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    unknown: dict[str, str] = {}
    for name, ask in PATHS.items():
        try:
            async with asyncio.timeout(120):
                await ask(world)
        except CLEAN as exc:
            if "\n" in str(exc) or len(str(exc)) > 1000:
                unknown[name] = f"not one line: {exc}"
        except Exception as exc:
            unknown[name] = repr(exc)
    assert unknown == {}
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 - before
    assert grown < MOST_GROWTH, f"grown by {grown // MiB} MiB"


async def test_list_without_end_takes_bounded_memory(
    world: World, api_server: ScriptedApiServer
) -> None:
    """With the real limits: pages of 2 MB, each with a continue token."""
    numbers = itertools.count()
    body = json.dumps(
        [{"metadata": {"name": f"n{n}"}, "spec": {"text": "x" * 4000}} for n in range(500)]
    )

    async def script(received: ReceivedRequest) -> None:
        metadata = json.dumps({"continue": f"t{next(numbers)}"})
        await whole(f'{{"items": {body}, "metadata": {metadata}}}'.encode())(received)

    api_server.scripts = Everywhere(script)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    async with with_real_limits(world) as open_request:
        with pytest.raises(ClusterApiError, match="memory"):
            await open_request.list_all(PATH)
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 - before
    assert grown < 250 * MiB, f"grown by {grown // MiB} MiB"


async def test_one_response_takes_bounded_memory(
    world: World, api_server: ScriptedApiServer
) -> None:
    """With the real limits: as many values as are allowed, none larger than two bytes."""
    api_server.scripts = Everywhere(whole(b'{"items": [' + b",".join([b"[]"] * 190_000) + b"]}"))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    async with with_real_limits(world) as open_request:
        assert await open_request.list_all(PATH) == ([], "")
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 - before
    assert grown < 100 * MiB, f"grown by {grown // MiB} MiB"
