"""Everything that a request line determines, parsed once for all uses. Pure.

Pollers, informers and dashboards repeat their requests, so parsed lines are cached: the cluster and
the target, the Kubernetes request info, and how the response may be relayed.
"""

import re
from dataclasses import dataclass, replace
from functools import lru_cache

from proxy.request.request_info import RequestInfo, request_info
from proxy.request.target import (
    PREFIX,
    InvalidTarget,
    is_proxy_subresource,
    parse_target,
    path_without_query,
)

REMEMBERED_BYTES = 1024
"""Longer request lines are not cached, so that clients cannot fill the cache."""

_LINE = re.compile(
    rb"(GET|HEAD|POST|PUT|PATCH|DELETE|OPTIONS) (/k8s/clusters/[!-\"$-~]*) HTTP/1\.1"
)
RETRYABLE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
"""Methods that only read: a request with one may be sent a second time."""


@dataclass(frozen=True, slots=True, eq=False)
class RequestLine:
    """A request line with exactly one meaning.

    ``path`` is the raw path that the client sent, without its query; ``cluster`` the id or name in
    it; ``target`` the request target for the cluster. ``proxied``: a service or a pod responds.
    ``may_delay_response``: the header block of the response may take any time. ``retryable``: the
    method only reads.
    """

    method: str
    path: str
    cluster: str
    target: str
    info: RequestInfo
    target_bytes: bytes
    method_bytes: bytes
    proxied: bool
    may_delay_response: bool
    retryable: bool


def parse_request_line(line: bytes) -> RequestLine | None:
    """Parse ``line``, without its CRLF, if it is a plain HTTP/1.1 request for a cluster.

    Returns None if it is not, or if it is ambiguous: the caller reports what is wrong with it.
    """
    return _parse_cached(line) if len(line) <= REMEMBERED_BYTES else _parse(line)


def request_line(method: str, raw_target: str, *, upgrade: bool = False) -> RequestLine:
    """Return the request line of a request that aiohttp parsed.

    Raises:
        InvalidTarget: the target is malformed or ambiguous.

    """
    build = _build_cached if len(raw_target) <= REMEMBERED_BYTES else _build
    line = build(method, raw_target)
    return replace(line, info=line.info.connecting()) if upgrade else line


def may_delay_response(target: str) -> bool:
    """Return whether the header block of a response may take any time.

    A kubelet sends it with the first line of a log. A service behind a ``proxy`` subresource may
    delay the response to a long poll, and API servers set no limit there.
    """
    if "follow=" in target and "/log?" in target:
        return True
    return is_proxy_subresource(target)


def _parse(line: bytes) -> RequestLine | None:
    found = _LINE.fullmatch(line)
    if found is None:
        return None
    try:
        parsed = _build(found[1].decode("ascii"), found[2].decode("ascii"))
    except InvalidTarget:
        return None
    if parsed.target.startswith(PREFIX):
        return None  # The prefix is there twice, which RequestAuthorizer.check redirects.
    return parsed


def _build(method: str, raw_target: str) -> RequestLine:
    parsed = parse_target(raw_target)
    target = parsed.target
    return RequestLine(
        method=method,
        path=path_without_query(raw_target),
        cluster=parsed.cluster,
        target=target,
        info=request_info(method, target),
        target_bytes=target.encode("ascii"),
        method_bytes=method.encode("ascii"),
        proxied=is_proxy_subresource(target),
        may_delay_response=may_delay_response(target),
        retryable=method in RETRYABLE_METHODS,
    )


_parse_cached = lru_cache(maxsize=4096)(_parse)
_build_cached = lru_cache(maxsize=4096)(_build)
