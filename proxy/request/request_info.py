"""What a request asks of an API server: verb, resource, namespace and name. Pure.

Follows ``k8s.io/apiserver/pkg/endpoints/request`` (RequestInfo): what the API server itself would
call it, so that metrics, audit events and limits agree with the cluster's own. Two differences:
an upgrade is ``connect``, and a method that Kubernetes doesn't know is ``other``.
"""

import re
from dataclasses import dataclass, replace
from functools import lru_cache
from urllib.parse import parse_qsl, unquote

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
_TRUE = frozenset({"", "1", "t", "T", "true", "TRUE", "True"})
_OF_ALL = {"get": "list", "delete": "deletecollection"}
_NAMESPACE_SUBRESOURCES = frozenset({"status", "finalize"})
_NAME_FIELD = re.compile(r"(?:^|,)\s*metadata\.name==?([^,!=]+?)\s*(?:,|$)")

_REMEMBERED = 4096
_REMEMBERED_CHARACTERS = 1024
"""Longer targets are read each time: nobody shall fill the memory with them."""


@dataclass(frozen=True, slots=True)
class RequestInfo:
    """A request in Kubernetes' words. ``resource`` is empty where it isn't about a resource."""

    verb: str
    group: str = ""
    version: str = ""
    namespace: str = ""
    resource: str = ""
    subresource: str = ""
    name: str = ""
    follows: bool = False

    @property
    def long_running(self) -> bool:
        """Whether the answer goes on until somebody ends it: a watch, or a log that is followed."""
        return self.verb == "watch" or self.follows

    def connecting(self) -> "RequestInfo":
        """The same, where the request asks to switch protocols."""
        return replace(self, verb=CONNECT)


def request_info(method: str, target: str) -> RequestInfo:
    """What ``method`` on ``target`` (the upstream path with its query) asks for."""
    find = _found_before if len(target) <= _REMEMBERED_CHARACTERS else _found
    return find(method, target)


def _found(method: str, target: str) -> RequestInfo:
    path, _, query = target.partition("?")
    parts = path.strip("/").split("/")
    if parts[0] == "api" and len(parts) > 2:
        return _resource(method, query, "", parts[1], parts[2:])
    if parts[0] == "apis" and len(parts) > 3:
        return _resource(method, query, parts[1], parts[2], parts[3:])
    return RequestInfo(method.lower() if method in _METHODS else "other")


def _resource(method: str, query: str, group: str, version: str, parts: list[str]) -> RequestInfo:
    verb = _VERBS.get(method, "options" if method == "OPTIONS" else "other")
    asked = dict(parse_qsl(query, keep_blank_values=True)) if query else {}
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
        verb = _of_all(verb, asked)
        name = _name_selected(asked) if verb in {"list", "watch", "deletecollection"} else ""
    follows = subresource == "log" and "follow" in asked and asked["follow"] in _TRUE
    return RequestInfo(verb, group, version, namespace, resource, subresource, name, follows)


def _of_all(verb: str, asked: dict[str, str]) -> str:
    if verb == "get" and "watch" in asked and asked["watch"] in _TRUE:
        return "watch"
    return _OF_ALL.get(verb, verb)


def _name_selected(asked: dict[str, str]) -> str:
    """The one object that a list or watch is limited to by a field selector, as kubectl does."""
    found = _NAME_FIELD.search(asked.get("fieldSelector", ""))
    return found[1] if found else ""


_found_before = lru_cache(maxsize=_REMEMBERED)(_found)
