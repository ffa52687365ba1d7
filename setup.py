"""What pyproject.toml can't say: with ``SEKISHO_COMPILE=1`` the request path is compiled by mypyc.

    SEKISHO_COMPILE=1 pip install .

The same source, typed as strictly as mypy asks for, as C extensions: half of what the proxy costs a
request is bytecode. It needs a C compiler; without the variable nothing is compiled, and everything
works the same. See docs/decisions/0025-compiled-request-path.md.
"""

import os
from typing import Any

from setuptools import setup

COMPILED = (
    "agent/tunnel/connection.py",
    "agent/tunnel/dialed_stream.py",
    "agent/tunnel/read_buffer.py",
    "agent/tunnel/relayed_stream.py",
    "agent/tunnel/status.py",
    "agent/tunnel/stream_end.py",
    "agent/websocket/codec.py",
    "agent/websocket/masking.py",
    "agent/yamux/control_queue.py",
    "agent/yamux/events.py",
    "agent/yamux/frames.py",
    "agent/yamux/limits.py",
    "agent/yamux/session.py",
    "agent/yamux/stream.py",
    "impersonation/impersonate_headers.py",
    "management/authentication/authenticated_token.py",
    "management/authentication/token_authenticator.py",
    "management/http/request_id.py",
    "proxy/audit/event.py",
    "proxy/audit/index.py",
    "proxy/audit/log.py",
    "proxy/audit/policy.py",
    "proxy/audit/search_event.py",
    "proxy/auth/authorizer.py",
    "proxy/auth/impersonation.py",
    "proxy/auth/request_authorizer.py",
    "proxy/fastpath/handler.py",
    "proxy/fastpath/header_cache.py",
    "proxy/fastpath/request.py",
    "proxy/forwarding/active_requests.py",
    "proxy/forwarding/active_watches.py",
    "proxy/forwarding/awaited_response.py",
    "proxy/forwarding/lifecycle.py",
    "proxy/limits/fair_share.py",
    "proxy/limits/limiter.py",
    "proxy/limits/overload.py",
    "proxy/logs/access_log.py",
    "proxy/logs/line_writer.py",
    "proxy/logs/timestamps.py",
    "proxy/logs/truncation.py",
    "proxy/metrics/request_metrics.py",
    "proxy/metrics/token_usage.py",
    "proxy/request/context.py",
    "proxy/request/request_info.py",
    "proxy/request/request_line.py",
    "proxy/response/headers.py",
    "proxy/response/relay.py",
    "proxy/response/watch_frames.py",
    "proxy/transport/tls_record_reader.py",
    "proxy/upstream/connection.py",
    "proxy/upstream/host.py",
    "proxy/upstream/host_connections.py",
    "proxy/upstream/limits.py",
    "proxy/upstream/pool.py",
    "proxy/upstream/registry.py",
    "proxy/upstream/response_parser.py",
)
"""What runs for each request and for each piece of an answer. Nothing else gains by it."""


def extensions() -> Any:
    """The extension modules to build; none unless they are asked for."""
    if not os.environ.get("SEKISHO_COMPILE"):
        return []
    from mypyc.build import mypycify

    return mypycify(list(COMPILED), opt_level="3", debug_level="0", group_name="sekisho")


setup(ext_modules=extensions())
