"""What pyproject.toml can't say: with ``SEKISHO_COMPILE=1`` the request path is compiled by mypyc.

    SEKISHO_COMPILE=1 pip install .

The same source, typed as strictly as mypy asks for, as C extensions: half of what the gate costs a
request is bytecode. It needs a C compiler; without the variable nothing is compiled, and everything
works the same. See docs/decisions/0025-compiled-request-path.md.
"""

import os
from typing import Any

from setuptools import setup

COMPILED = (
    "impersonation/outbound.py",
    "management/resolver.py",
    "proxy/access.py",
    "proxy/access_log.py",
    "proxy/asked.py",
    "proxy/audit_event.py",
    "proxy/audit_log.py",
    "proxy/audit_policy.py",
    "proxy/clusters.py",
    "proxy/exchange.py",
    "proxy/express.py",
    "proxy/express_request.py",
    "proxy/last_used.py",
    "proxy/limits.py",
    "proxy/line_log.py",
    "proxy/live.py",
    "proxy/opening.py",
    "proxy/overload.py",
    "proxy/overload_shares.py",
    "proxy/passage.py",
    "proxy/pool.py",
    "proxy/record_reader.py",
    "proxy/request_id.py",
    "proxy/request_info.py",
    "proxy/response_head.py",
    "proxy/telling.py",
    "proxy/timestamps.py",
    "proxy/traffic.py",
    "proxy/upstream.py",
)
"""What runs for each request and for each piece of an answer. Nothing else gains by it."""


def extensions() -> Any:
    """The extension modules to build; none unless they are asked for."""
    if not os.environ.get("SEKISHO_COMPILE"):
        return []
    from mypyc.build import mypycify

    return mypycify(list(COMPILED), opt_level="3", debug_level="0", group_name="sekisho")


setup(ext_modules=extensions())
