"""Parse a request target: the cluster, and the target for its API server. Pure.

The path and query are forwarded byte for byte, without decoding. A target that two servers might
interpret differently (dot segments, encoded slashes, empty segments) is rejected, not normalized:
normalization applies the check of one route to the resource of another.
"""

import re
from dataclasses import dataclass
from functools import lru_cache

PREFIX = "/k8s/clusters/"

_TARGET = re.compile(r"[!-~]*")
_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})|%(?:0[0-9A-Fa-f]|1[0-9A-Fa-f]|7[Ff])|\\|#")
_PROXIED = re.compile(
    r"/api/v1/(?:namespaces/[^/?]+/)?(?:pods|services|nodes)/[^/?]+/proxy(?=[/?]|$)"
)
_DOTS = re.compile(r"(?:\.|%2[eE]){1,2}")
_DOT_SEGMENT = re.compile(r"(?:/|%2[fF]|%5[cC])(?:\.|%2[eE]){1,2}(?=/|%2[fF]|%5[cC]|\Z)")
_HIDDEN_SEPARATOR = re.compile(r"%(?:2[fF]|5[cC]|25)")


class InvalidTarget(Exception):
    """The target is malformed or ambiguous. The message is safe to send to the client."""


@dataclass(frozen=True, slots=True)
class RequestTarget:
    """``cluster`` is an id or a name, ``target`` the target for its API server, with query."""

    cluster: str
    target: str


def parse_target(raw_target: str) -> RequestTarget:
    """Split a request target below PREFIX.

    A name that no cluster can have is accepted, because no cluster is found for it. Results are
    cached, because pollers repeat their requests.

    Raises:
        InvalidTarget: the path is malformed or ambiguous.

    """
    return _parse_cached(raw_target) if len(raw_target) <= _REMEMBERED else _parse(raw_target)


def _parse(raw_target: str) -> RequestTarget:
    if not raw_target.startswith(PREFIX):
        raise InvalidTarget("the path must begin with /k8s/clusters/<cluster>/")
    if not _TARGET.fullmatch(raw_target):
        raise InvalidTarget("the path has a character that must be percent-encoded")
    path, question, query = raw_target.partition("?")
    bad = _ESCAPE.search(path)
    if bad:
        raise InvalidTarget(f"the path has {bad[0]!r}, which is not allowed there")
    cluster, _, rest = path[len(PREFIX) :].partition("/")
    _reject_ambiguous(f"/{rest}")
    if not cluster or "%" in cluster or _DOTS.fullmatch(cluster):
        raise InvalidTarget("the path is ambiguous where it names the cluster")
    return RequestTarget(cluster, f"/{rest}{question}{query}")


_REMEMBERED = 1024
"""Longer targets are not cached, so that clients cannot fill the cache."""

_parse_cached = lru_cache(maxsize=2048)(_parse)


def _reject_ambiguous(path: str) -> None:
    """Reject a path that a server might resolve to another path.

    Behind a ``proxy`` subresource the path belongs to a service or pod, where empty segments and
    encoded slashes are ordinary. Dot segments are rejected there as well.
    """
    if _DOT_SEGMENT.search(path):
        raise InvalidTarget("the path has a dot segment")
    proxied = _PROXIED.match(path)
    kubernetes = path[: proxied.end()] if proxied else path
    if "//" in kubernetes:
        raise InvalidTarget("the path has an empty segment")
    if _HIDDEN_SEPARATOR.search(kubernetes):
        raise InvalidTarget("the path has an encoded slash, backslash or percent sign")


def path_without_query(raw_target: str) -> str:
    """Return a raw target without its query, and without a fragment, which is not allowed."""
    return raw_target.partition("?")[0].partition("#")[0]


def is_proxy_subresource(target: str) -> bool:
    """Return whether a service or pod responds: the target is behind a ``proxy`` subresource."""
    return "/proxy" in target and _PROXIED.match(target) is not None
