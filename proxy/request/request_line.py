"""What a request line asks for, read once for all who need it. Pure.

Pollers, informers and dashboards ask the same again and again, so what was found out is remembered:
the way through the gate, what Kubernetes calls it, and how the audit log shows it.
"""

import re
from dataclasses import dataclass
from functools import lru_cache

from proxy.request_info import RequestInfo, request_info
from proxy.routing import BadTarget, is_proxied, path_alone, route

REMEMBERED_BYTES = 1024
"""Longer request lines are read each time: nobody shall fill the memory with them."""

_LINE = re.compile(
    rb"(GET|HEAD|POST|PUT|PATCH|DELETE|OPTIONS) (/k8s/clusters/[!-\"$-~]*) HTTP/1\.1"
)
REPEATABLE = frozenset({"GET", "HEAD", "OPTIONS"})
"""Methods that only read: a request with one may be sent again."""


@dataclass(frozen=True, slots=True, eq=False)
class Asked:
    """A request line that can be read in one way only.

    ``path`` is the raw path as the client sent it, without its query; ``cluster`` the id or name in
    it; ``target`` what the cluster's API server is asked. ``proxied``: somebody's own service
    answers. ``patient``: an answer's head may take any time. ``repeatable``: it only reads.
    """

    method: str
    path: str
    cluster: str
    target: str
    info: RequestInfo
    target_bytes: bytes
    method_bytes: bytes
    proxied: bool
    patient: bool
    repeatable: bool


def asked_by(line: bytes) -> Asked | None:
    """What ``line`` (without its end) asks the gate for.

    None where it isn't a plain HTTP/1.1 request to the gate, or can't be read in one way only: then
    somebody else must say what is wrong with it.
    """
    return _asked_before(line) if len(line) <= REMEMBERED_BYTES else _asked(line)


def may_be_silent(target: str) -> bool:
    """Whether an answer's head may take any time: a kubelet sends it with a log's first line.

    What lies behind a ``proxy`` subresource may keep a poll waiting; API servers give it all time.
    """
    if "follow=" in target and "/log?" in target:
        return True
    return is_proxied(target)


def _asked(line: bytes) -> Asked | None:
    found = _LINE.fullmatch(line)
    if found is None:
        return None
    method, raw = found[1].decode("ascii"), found[2].decode("ascii")
    try:
        way = route(raw)
    except BadTarget:
        return None
    return Asked(
        method=method,
        path=path_alone(raw),
        cluster=way.cluster,
        target=way.target,
        info=request_info(method, way.target),
        target_bytes=way.target.encode("ascii"),
        method_bytes=found[1],
        proxied=is_proxied(way.target),
        patient=may_be_silent(way.target),
        repeatable=method in REPEATABLE,
    )


_asked_before = lru_cache(maxsize=4096)(_asked)
