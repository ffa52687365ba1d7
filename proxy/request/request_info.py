"""The Kubernetes request info: verb, resource, namespace and name. Pure.

Follows ``k8s.io/apiserver/pkg/endpoints/request`` (RequestInfo), so that metrics, audit events and
limits use the same names as the cluster. Two differences: an upgrade is ``connect``, and a method
that Kubernetes does not have is ``other``.
"""

import re
from dataclasses import dataclass, replace
from functools import lru_cache
from urllib.parse import unquote, unquote_plus

CONNECT = "connect"
"""The verb of every upgrade."""

_VERBS = {
    "GET": "get",
    "HEAD": "get",
    "POST": "create",
    "PUT": "update",
    "PATCH": "patch",
    "DELETE": "delete",
}
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_OF_ALL = {"get": "list", "delete": "deletecollection"}
_NAMESPACE_SUBRESOURCES = frozenset({"status", "finalize"})
_INVALID_PAIR = re.compile(r";|%(?![0-9A-Fa-f]{2})")


def _spelled(name: str) -> str:
    """Return a pattern for ``name`` with any of its letters percent-encoded."""
    return "".join(f"(?:{letter}|%(?i:{ord(letter):x}))" for letter in name)


_PARAMETER_NAMES = ("watch", "follow", "fieldSelector")
_SPELLINGS = "|".join(f"({_spelled(name)})" for name in _PARAMETER_NAMES)
_PARAMETER = re.compile(rf"(?:^|&)(?:{_SPELLINGS})(?:=([^&]*))?(?=&|\Z)")

_REMEMBERED = 4096
_REMEMBERED_CHARACTERS = 1024
"""Longer targets are not cached, so that clients cannot fill the cache."""


@dataclass(frozen=True, slots=True)
class RequestInfo:
    """A request in Kubernetes' terms. ``resource`` is empty for a non-resource request.

    ``long_running``: the response continues until a side ends it, as a watch or a followed log.
    """

    verb: str
    group: str = ""
    version: str = ""
    namespace: str = ""
    resource: str = ""
    subresource: str = ""
    name: str = ""
    long_running: bool = False

    def connecting(self) -> "RequestInfo":
        """Return the info of the same request with a protocol switch."""
        return replace(self, verb=CONNECT)


def request_info(method: str, target: str) -> RequestInfo:
    """Return the info of ``method`` on ``target`` (the upstream path with its query)."""
    find = _parse_cached if len(target) <= _REMEMBERED_CHARACTERS else _parse
    return find(method, target)


def _parse(method: str, target: str) -> RequestInfo:
    path, _, query = target.partition("?")
    parts = path.strip("/").split("/")
    if parts[0] == "api" and len(parts) > 2:
        return _resource(method, query, "", parts[1], parts[2:])
    if parts[0] == "apis" and len(parts) > 3:
        return _resource(method, query, parts[1], parts[2], parts[3:])
    return RequestInfo(method.lower() if method in _METHODS else "other")


def _resource(method: str, query: str, group: str, version: str, parts: list[str]) -> RequestInfo:
    verb = _VERBS.get(method, "options" if method == "OPTIONS" else "other")
    parameters = _parameters(query) if query else {}
    if parts[0] == "watch" and len(parts) > 1:
        # The form from before ?watch=1; API servers still take it.
        verb, parts = "watch", parts[1:]
    namespace = ""
    if parts[0] == "namespaces" and len(parts) > 1:
        namespace = unquote(parts[1])
        if len(parts) > 2 and parts[2] not in _NAMESPACE_SUBRESOURCES:
            parts = parts[2:]
    resource, name, subresource = (*map(unquote, parts[:3]), "", "")[:3]
    if not name:
        verb = _of_all(verb, parameters)
        if verb in {"list", "watch"}:
            name = _name_selected(parameters.get("fieldSelector", ""))
    follows = subresource == "log" and _is_true(parameters.get("follow"))
    lasts = verb == "watch" or follows
    return RequestInfo(verb, group, version, namespace, resource, subresource, name, lasts)


def _of_all(verb: str, parameters: dict[str, str]) -> str:
    if verb == "get" and _is_true(parameters.get("watch")):
        return "watch"
    return _OF_ALL.get(verb, verb)


def _is_true(value: str | None) -> bool:
    """Parse a flag as ``k8s.io/apimachinery`` does: all but ``0`` and ``false`` are true."""
    return value is not None and value != "0" and value.lower() != "false"


def _parameters(query: str) -> dict[str, str]:
    """Return the parameters that decide about the verb, in linear time.

    Follows Go's ``net/url``: the first of several values counts, and a pair with a semicolon or a
    bad escape is ignored.
    """
    found: dict[str, str] = {}
    for match in _PARAMETER.finditer(query):
        *spelled, value = match.groups()
        name = next(name for name, is_it in zip(_PARAMETER_NAMES, spelled, strict=True) if is_it)
        if name not in found and not _INVALID_PAIR.search(value or ""):
            found[name] = unquote_plus(value or "")
    return found


def _name_selected(selector: str) -> str:
    """Return the one object that a field selector limits a list or watch to, or nothing.

    Follows ``k8s.io/apimachinery/pkg/fields``: commas separate terms, and in a term the first
    ``!=``, ``==`` or ``=`` counts. A selector that the API server rejects selects nothing.
    """
    selected = ""
    for term in sorted(filter(None, _terms(selector))):
        field, equals, value = term.partition("=")
        value = value.removeprefix("=")
        if not equals or "=" in value.replace("\\=", ""):
            return ""
        if field == "metadata.name" and not selected:
            selected = value
    # A value that is no path segment (content.IsPathSegmentName) names no object.
    return "" if selected in {".", ".."} or set(selected) & set("/%\\") else selected


def _terms(selector: str) -> list[str]:
    """Split at commas that no backslash escapes."""
    if "\\" not in selector:
        return selector.split(",")
    terms, begin, escaped = [], 0, False
    for position, character in enumerate(selector):
        if escaped:
            escaped = False
        elif character == "\\":
            escaped = True
        elif character == ",":
            terms.append(selector[begin:position])
            begin = position + 1
    return [*terms, selector[begin:]]


_parse_cached = lru_cache(maxsize=_REMEMBERED)(_parse)
