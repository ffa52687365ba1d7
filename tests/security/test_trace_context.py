"""A client's trace context, before an API server that records every byte."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.support.otlp_receiver import OtlpReceiver
from tests.support.otlp_receiver import otlp as otlp
from tests.support.recording_upstream import RecordingUpstream
from tests.support.sekisho import Sekisho, free_port, make_sekisho

TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
SENT = {"traceparent": f"00-{TRACE}-{PARENT}-01", "tracestate": "mine=1", "X-Kept": "1"}
TARGET = "/k8s/clusters/a/api/v1/pods"


@pytest.fixture
def servers(tmp_path: Path) -> Iterator[tuple[Sekisho, RecordingUpstream, str]]:
    """Return a server that has not started, its only cluster, and a token."""
    with ExitStack() as stack:
        folder = tmp_path / "a"
        folder.mkdir()
        upstream = stack.enter_context(RecordingUpstream(folder, "token-of-a"))
        sekisho = make_sekisho(tmp_path, (free_port(), free_port()))
        sekisho.environment["SEKISHO_CONTROLLERS__ENABLED"] = "false"
        sekisho.prepare(
            *("admin", "cluster", "add", "a", "--server", upstream.url),
            *("--ca-file", str(upstream.ca_file), "--token-file", str(upstream.token_file)),
        )
        sekisho.create_user("root", "--admin")
        yield sekisho, upstream, sekisho.token("root")


def trace_lines(
    servers: tuple[Sekisho, RecordingUpstream, str], **environment: str
) -> list[list[bytes]]:
    """Return the trace context that arrives for a request with one, and for one without."""
    sekisho, upstream, token = servers
    sekisho.environment.update(environment)
    upstream.clear_recording()
    sekisho.start()
    try:
        for headers in (SENT, {"X-Kept": "1"}):
            assert sekisho.request("GET", TARGET, token=token, headers=headers).status == 200
    finally:
        sekisho.stop()
    arrived = [one for one in upstream.recorded if one.target.endswith(b"/pods")]
    heads = [one.head for one in arrived]
    assert all(b"\r\nX-Kept: 1\r\n" in head for head in heads)
    return [
        [line for line in head.split(b"\r\n") if line.lower().startswith(b"trace")]
        for head in heads
    ]


def test_trace_context_of_a_client_is_passed_on_only_while_traces_are_off_or_it_is_trusted(
    servers: tuple[Sekisho, RecordingUpstream, str], otlp: OtlpReceiver
) -> None:
    passed = [f"traceparent: {SENT['traceparent']}".encode(), b"tracestate: mine=1"]
    assert trace_lines(servers) == [passed, []]
    assert trace_lines(servers, SEKISHO_TRACES__ENDPOINT=otlp.url, SEKISHO_TRACES__RATIO="0") == [
        [],
        [],
    ]
    own, without = trace_lines(servers, SEKISHO_TRACES__RATIO="1")
    for lines in (own, without):
        [line] = lines
        assert line.startswith(b"traceparent: 00-")
        assert TRACE.encode() not in line
    networks = {"SEKISHO_TRACES__TRUSTED_NETWORKS": '["127.0.0.1"]'}
    [continued, state], without = trace_lines(servers, SEKISHO_TRACES__RATIO="0", **networks)
    assert without == []
    assert continued.startswith(f"traceparent: 00-{TRACE}-".encode())
    assert PARENT.encode() not in continued
    assert state == b"tracestate: mine=1"
    SENT["traceparent"] = f"00-{TRACE}-{PARENT}-00"
    passed[0] = f"traceparent: {SENT['traceparent']}".encode()
    assert trace_lines(servers, SEKISHO_TRACES__RATIO="1")[0] == passed
