"""The Kubernetes verb of a request, for metrics and logs: pure.

Follows ``k8s.io/apiserver/pkg/endpoints/request``: what the API server would call it, with
``connect`` for upgrades and the HTTP method's own word outside ``/api`` and ``/apis``.
"""

import re
from functools import lru_cache

_WRITES = {"POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}
_OTHERS = {"HEAD": "head", "OPTIONS": "options"}
_WATCH = re.compile(r"[?&]watch(?:=(?:1|true|True|t|T|TRUE))?(?:&|$)")
_RESOURCE = re.compile(
    r"/(?:api/[^/?]+|apis/[^/?]+/[^/?]+)(?:/namespaces/[^/?]+(?=/))?/(?P<kind>[^/?]+)(?P<name>/[^/?]+)?"
)


@lru_cache(maxsize=4096)
def verb_of(method: str, target: str) -> str:
    """One of a fixed set of words; ``target`` is the upstream path with its query."""
    if method != "GET":
        return _WRITES.get(method) or _OTHERS.get(method, "other")
    if _WATCH.search(target):
        return "watch"
    resource = _RESOURCE.match(target)
    return "list" if resource and not resource["name"] else "get"
