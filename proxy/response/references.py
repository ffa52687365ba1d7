"""Rewrite the references in an upstream response for the client. Pure.

An API server, and a service behind its ``proxy`` subresource, uses paths without the proxy's prefix
of the cluster, and the host that Sekisho connects to. The client knows neither. A reference to the
same server is resolved as a browser does (with dot segments and backslashes), confined below the
cluster's prefix, or below the ``proxy`` subresource that responded, and written so that it leads
there. References to other hosts pass unchanged.

See ``k8s.io/apimachinery/pkg/util/proxy`` (Transport), which does the first half inside the API
server: its results begin with the path of the ``proxy`` subresource, without Sekisho's prefix.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import unquote_to_bytes, urlsplit

_SCHEME = re.compile(rb"[A-Za-z][A-Za-z0-9+.\-]*:")
_PROXIED = re.compile(rb"/api/v1/(?:namespaces/[^/]+/)?(?:pods|services|nodes)/[^/]+/proxy(?=/|\Z)")
_EDGES = bytes(range(0x21))
_DROPPED_INSIDE = b"\t\r\n"
_SLASHES = b"/\\"


@dataclass(frozen=True, slots=True)
class Upstreams:
    """The API servers of one cluster: host names in lower case, and paths of their URLs.

    ``prefixes`` are the proxy's paths of the cluster, the one with the id first.
    """

    hosts: frozenset[bytes] = frozenset()
    paths: tuple[bytes, ...] = ()
    prefixes: tuple[bytes, ...] = ()


NO_UPSTREAMS = Upstreams()


def upstreams_of(servers: Sequence[str], *prefixes: str) -> Upstreams:
    """Return the hosts and paths of the API servers with these URLs."""
    parts = [urlsplit(server) for server in servers]
    return Upstreams(
        frozenset(_host(part.netloc.encode("latin-1", "replace")) for part in parts),
        tuple(
            {path.encode("ascii", "replace") for part in parts if (path := part.path.rstrip("/"))}
        ),
        tuple(prefix.encode("ascii", "replace") for prefix in prefixes),
    )


def rewrite_location(reference: bytes, target: bytes, prefix: bytes, known: Upstreams) -> bytes:
    """Return a ``Location`` for the client.

    ``target`` is the target that the API server received, ``prefix`` the proxy's path of the
    cluster. Behind a ``proxy`` subresource the result is relative, so that it is correct at Sekisho
    and behind ``kubectl proxy``, with and without the prefix.
    """
    path = target.partition(b"?")[0]
    base = proxy_path(path)
    text = reference.strip(_EDGES).translate(None, _DROPPED_INSIDE)
    if not text or text[:1] in b"#?":
        return text
    found = _own_path(text, known)
    if found is None:
        return _elsewhere(text)
    found, tail = _without_tail(found)
    if not found.startswith(b"/"):
        # Relative to the service: dot segments end at its root, not at the API server's.
        within = path[len(base) :] or b"/"
        found = base + _normalized(within[: within.rfind(b"/") + 1] + found)
    else:
        found = _below(_normalized(found), base, prefix, known)
    if base and b"//" not in path:  # Clients differ about ".." past an empty segment.
        return _relative(path, found) + tail
    return prefix + found + tail


def rewrite_link(reference: bytes, target: bytes, prefix: bytes, known: Upstreams) -> bytes:
    """Return a link of a page behind a ``proxy`` subresource for the client.

    Relative links and links to other hosts stay unchanged.
    """
    text = reference.strip(_EDGES).translate(None, _DROPPED_INSIDE)
    if not text.startswith((b"/", b"\\")) and _SCHEME.match(text) is None:
        return reference
    found = _own_path(text, known)
    if found is None or not found.startswith(b"/"):
        return reference
    found, tail = _without_tail(found)
    base = proxy_path(target.partition(b"?")[0])
    return prefix + _below(_normalized(found), base, prefix, known) + tail


def proxy_path(path: bytes) -> bytes:
    """Return the part of a path that names a ``proxy`` subresource, or nothing."""
    found = _PROXIED.match(path)
    return found[0] if found is not None else b""


def once_prefixed(cluster: bytes, target: bytes, known: Upstreams) -> bytes | None:
    """Return the target of a redirect for a path with two cluster prefixes; None for others.

    Links of pages carry the prefix, and ``kubectl proxy --append-server-path`` adds it to every
    request. The result is relative, so it is correct on both sides of such a proxy. ``cluster`` is
    the id or name in the request's path.
    """
    path, query, rest = target.partition(b"?")
    for prefix in known.prefixes:
        if path.startswith(prefix + b"/") and proxy_path(path[len(prefix) :]):
            before = b"/k8s/clusters/" + cluster
            return _relative(before + path, before + path[len(prefix) :]) + query + rest
    return None


def _own_path(text: bytes, known: Upstreams) -> bytes | None:
    """Return path, query and fragment of a reference to the same server; None for other hosts.

    The path of a relative reference is relative. Text that browsers and servers interpret
    differently (backslashes, too many slashes) counts as a path, so that it stays here.
    """
    scheme = _SCHEME.match(text)
    if scheme is not None:
        if scheme[0].lower() not in {b"http:", b"https:"}:
            return None
        rest = text[scheme.end() :]
        inner = rest.lstrip(_SLASHES)
        if len(rest) - len(inner) < 2:
            return b"/" + inner
        authority, path = _split_authority(inner)
        return (path or b"/") if not authority or _host(authority) in known.hosts else None
    if text.startswith(b"//") and text[2:3] not in _SLASHES:
        authority, path = _split_authority(text[2:])
        return (path or b"/") if _host(authority) in known.hosts else None
    if text[:1] in _SLASHES:
        return b"/" + text.lstrip(_SLASHES)
    return text


def _elsewhere(text: bytes) -> bytes:
    """Return a reference to another host or scheme in its unambiguous form."""
    scheme = _SCHEME.match(text)
    if scheme is None or scheme[0].lower() not in {b"http:", b"https:"}:
        return text
    return scheme[0] + b"//" + text[scheme.end() :].lstrip(_SLASHES)


def _split_authority(text: bytes) -> tuple[bytes, bytes]:
    """Return the authority, and the rest, which begins with a slash, ``?`` or ``#``."""
    for place, byte in enumerate(text):
        if byte in b"/\\?#":
            rest = text[place:]
            return text[:place], rest if byte in _SLASHES else b"/" + rest
    return text, b""


def _host(authority: bytes) -> bytes:
    """Return the host name of an authority, normalized for comparison."""
    host = unquote_to_bytes(authority).rpartition(b"@")[2].lower()
    if host.startswith(b"["):
        return host.partition(b"]")[0][1:]
    return host.partition(b":")[0].rstrip(b".")


def _without_tail(text: bytes) -> tuple[bytes, bytes]:
    """Return a path, and the query and fragment behind it."""
    ends = [place for place in (text.find(b"?"), text.find(b"#")) if place >= 0]
    end = min(ends, default=len(text))
    return text[:end], text[end:]


def _normalized(path: bytes) -> bytes:
    """Return an absolute path without dot segments (RFC 3986 §5.2.4), so that it cannot escape.

    Backslashes become ``%5C``, because a browser treats them as slashes.
    """
    kept: list[bytes] = []
    segments = path.replace(b"\\", b"%5C").split(b"/")[1:]
    for place, segment in enumerate(segments):
        plain = segment.lower().replace(b"%2e", b".")
        if plain == b"..":
            del kept[-1:]
        if plain in {b".", b".."}:
            if place == len(segments) - 1:
                kept.append(b"")
        else:
            kept.append(segment)
    return b"/" + b"/".join(kept)


def _below(path: bytes, base: bytes, prefix: bytes, known: Upstreams) -> bytes:
    """Return an absolute path of the same server as a path of the cluster, below ``base``.

    The path of the server's URL, or the proxy's prefix, is removed from its start.
    """
    path = _without(path, (*known.paths, prefix, *known.prefixes))
    if not base:
        return path
    found = proxy_path(path)
    if unquote_to_bytes(found) != unquote_to_bytes(base):
        return base + path
    rest = path[len(found) :]
    # A service that knows its address at Sekisho writes it in full; the API server adds its part.
    for own in (prefix, *known.prefixes):
        if rest.startswith(own + base + b"/"):
            return rest[len(own) :]
    return base + rest


def _without(path: bytes, befores: Sequence[bytes]) -> bytes:
    for before in befores:
        if before and (path == before or path.startswith(before + b"/")):
            return path[len(before) :] or b"/"
    return path


def _relative(source: bytes, path: bytes) -> bytes:
    """Return ``path`` as a reference relative to ``source``; both are absolute and normal."""
    here, there = source.split(b"/")[1:-1], path.split(b"/")[1:]
    common = 0
    while common < min(len(here), len(there) - 1) and here[common] == there[common]:
        common += 1
    ups, rest = len(here) - common, b"/".join(there[common:])
    if ups:
        return b"../" * ups + rest
    first = rest.partition(b"/")[0]
    return b"./" + rest if not first or b":" in first else rest
