"""Which cluster a request is for, and what its API server is asked: pure, on the raw target.

The path and query go upstream byte for byte, so nothing here decodes and re-encodes. What two
servers might read differently (dot segments, encoded slashes, empty segments) is refused rather
than cleaned: cleaning is how one route's check ends up on another route's resource.
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


class BadTarget(Exception):
    """The request's target is malformed or ambiguous. The message is fit for the client."""


@dataclass(frozen=True, slots=True)
class Route:
    """``cluster`` is an id or a name, ``target`` what its API server is asked, query included."""

    cluster: str
    target: str


def route(raw_target: str) -> Route:
    """Split a request target below PREFIX.

    Raises BadTarget where the path is ambiguous. A name that no cluster can have is let through,
    for nobody finds one. Pollers ask the same again and again, so some answers are kept.
    """
    return _route_before(raw_target) if len(raw_target) <= _REMEMBERED else _route(raw_target)


def _route(raw_target: str) -> Route:
    if not raw_target.startswith(PREFIX):
        raise BadTarget("the path must begin with /k8s/clusters/<cluster>/")
    if not _TARGET.fullmatch(raw_target):
        raise BadTarget("the path has a character that must be percent-encoded")
    path, question, query = raw_target.partition("?")
    bad = _ESCAPE.search(path)
    if bad:
        raise BadTarget(f"the path has {bad[0]!r}, which is not allowed there")
    cluster, _, rest = path[len(PREFIX) :].partition("/")
    _refuse_ambiguous(f"/{rest}")
    if not cluster or "%" in cluster or _DOTS.fullmatch(cluster):
        raise BadTarget("the path is ambiguous where it names the cluster")
    return Route(cluster, f"/{rest}{question}{query}")


_REMEMBERED = 1024
"""Longer targets are read each time: nobody shall fill the memory with them."""

_route_before = lru_cache(maxsize=2048)(_route)


def _refuse_ambiguous(path: str) -> None:
    """Refuse what a server might resolve to another path.

    Behind a ``proxy`` subresource the path belongs to somebody's own service, where empty segments
    and encoded slashes are ordinary; dot segments are refused there, too.
    """
    if _DOT_SEGMENT.search(path):
        raise BadTarget("the path has a dot segment")
    proxied = _PROXIED.match(path)
    kubernetes = path[: proxied.end()] if proxied else path
    if "//" in kubernetes:
        raise BadTarget("the path has an empty segment")
    if _HIDDEN_SEPARATOR.search(kubernetes):
        raise BadTarget("the path has an encoded slash, backslash or percent sign")


def path_alone(raw_target: str) -> str:
    """A raw target without its query, and without a fragment, which no request may have."""
    return raw_target.partition("?")[0].partition("#")[0]


def is_proxied(target: str) -> bool:
    """Whether the target lies behind a ``proxy`` subresource: somebody's own service answers."""
    return "/proxy" in target and _PROXIED.match(target) is not None
