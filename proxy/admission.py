"""May this token enter this cluster, with this request? Pure."""

import re
from typing import Literal
from urllib.parse import unquote

from management.resolver import Resolved
from proxy.status import Forbidden, MethodNotAllowed, NotFound

Access = Literal["owner", "member", "read-only", "administrator"]

_READS = frozenset({"GET", "HEAD", "OPTIONS"})
_METHODS = _READS | {"POST", "PUT", "PATCH", "DELETE"}
_INTERACTIVE = re.compile(
    r"/api/v1/(?:namespaces/[^/]+/pods/[^/]+/(?:exec|attach|portforward|proxy)"
    r"|namespaces/[^/]+/services/[^/]+/proxy|nodes/[^/]+/proxy)(?:/|\Z)"
)
_ASKS_ABOUT_SELF = re.compile(
    r"/apis/(?:authorization\.k8s\.io/v1/selfsubject(?:access|rules)reviews"
    r"|authentication\.k8s\.io/v1(?:beta1|alpha1)?/selfsubjectreviews)\Z"
)


def no_such_cluster(name: str) -> NotFound:
    """The same answer for a cluster that isn't there and for one that the caller may not enter."""
    return NotFound(f'cluster "{name}" not found, or you have no access to it')


def admit(resolved: Resolved, cluster_id: str | None, name: str) -> Access:
    """What the caller is in the cluster. ``cluster_id`` is None where no cluster has the name.

    Raises NotFound where there is none for this caller, and Forbidden where the caller could enter
    but not with this token.
    """
    if cluster_id is None:
        raise no_such_cluster(name)
    access: Access
    if resolved.identity.administrator:
        access = "administrator"
    elif cluster_id in resolved.roles:
        access = resolved.roles[cluster_id]
    else:
        raise no_such_cluster(name)
    scope = resolved.token.clusters
    if scope and cluster_id not in scope:
        raise Forbidden(f'the token "{resolved.token.name}" is not for cluster "{name}"')
    return access


def allow_by_scope(resolved: Resolved, method: str, target: str, *, upgrade: bool) -> None:
    """Raise Forbidden where a read-only token is used for more than reading.

    A WebSocket exec is a GET, and so is anything that a ``proxy`` subresource does, so those count
    as more. Asking what oneself may do is a POST, and counts as reading. The path is looked at
    decoded, as the API server does: ``%70roxy`` is ``proxy``.

    Raises MethodNotAllowed for what no API server does, whatever the token: CONNECT asks a proxy on
    the way for a tunnel, and TRACE would show the cluster's credential.
    """
    if method not in _METHODS:
        raise MethodNotAllowed(f"{method} is not a method of the Kubernetes API")
    if not resolved.token.read_only:
        return
    target = unquote(target.partition("?")[0])
    if upgrade or _INTERACTIVE.match(target):
        raise Forbidden(f'the token "{resolved.token.name}" is read-only: no exec, no proxying')
    if method in _READS or (method == "POST" and _ASKS_ABOUT_SELF.match(target)):
        return
    raise Forbidden(f'the token "{resolved.token.name}" is read-only: {method} is refused')
