"""Traces of connections through tunnels."""

import pytest

from config.dialing import DialFailed
from management.tracing.span import active
from management.tracing.tracing import Incoming
from management.tunnels.directory import TunnelDirectory
from store.agent_records import Replica
from store.database import SqlStore
from tests.management.tracing.recorded import recorded
from tests.management.tunnels.conftest import connected, echoes
from tests.support.agents import TestAgent, echo_server


async def test_dial_is_a_span_of_what_needs_the_connection(store: SqlStore) -> None:
    directory = TunnelDirectory(store, Replica("r-here", "machine-1"))
    with recorded() as made:
        request = made.tracing.begin("request", {}, Incoming(), made.tracing.samples_request)
        with active(request):
            async with echo_server() as address, connected(directory, TestAgent(address)):
                assert await echoes(await directory.dial("c-edge", 10))
        first = made.spans()
        assert first["tunnel dial"].parent == first["request"].get_span_context()
        assert first["tunnel dial"].status.is_ok
        other = made.tracing.begin("other", {}, Incoming(), made.tracing.samples_request)
        with active(other), pytest.raises(DialFailed):
            await directory.dial("c-nowhere", 0.1)
        failed = made.spans()["tunnel dial"]
    assert (failed.status.is_ok, (failed.attributes or {})["error.type"]) == (False, "DialFailed")
