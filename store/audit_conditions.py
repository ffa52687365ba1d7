"""Conditions on audit events, in SQL: what a caller may see, and what is wanted."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, and_, false, func, or_, true

from store.audit_records import AuditFilter, AuditScope
from store.tables import is_storable

_INDEXED = ("request_id", "user_id", "cluster_id", "project_id")
_EQUAL = (
    *("token", "impersonated", "api_group", "resource", "subresource", "name", "namespace"),
    *("outcome", "answered_by", "sign_in"),
)


MAX_PLACES_BY_INDEX = 8
"""Clusters and projects of a scope that are looked up in their indexes. For more, a database would
fetch and sort most of the events; then it walks through them by time instead."""


def scope_condition(
    columns: Any, scope: AuditScope, *, by_index: bool = True
) -> ColumnElement[bool]:
    """Return the condition that an event is in ``scope``.

    ``by_index``: whether indexes of users, clusters and projects may serve it. Otherwise the
    condition is on expressions that no index has.
    """
    if scope.everything:
        return true()
    places = len(scope.clusters) + len(scope.projects) + len(scope.all_projects_of)
    by_index = by_index and places <= MAX_PLACES_BY_INDEX and not scope.every_cluster
    user, cluster, project = (
        one if by_index else one.concat("")
        for one in (columns.user_id, columns.cluster_id, columns.project_id)
    )
    parts: list[ColumnElement[bool]] = []
    if scope.user_id:
        parts.append(user == scope.user_id)
    if scope.every_cluster:
        parts.append(cluster != "")
    if scope.clusters:
        parts.append(cluster.in_(sorted(scope.clusters)))
    if scope.projects:
        parts.append(project.in_(sorted(scope.projects)))
    if scope.all_projects_of:
        parts.append(and_(cluster.in_(sorted(scope.all_projects_of)), project != ""))
    return or_(*parts) if parts else false()


def indexed_condition(columns: Any, wanted: AuditFilter) -> ColumnElement[bool]:
    """Return the conditions that an index serves: they decide how much is examined."""
    parts: list[ColumnElement[bool]] = []
    if wanted.since is not None:
        parts.append(columns.at >= wanted.since)
    if wanted.until is not None:
        parts.append(columns.at < wanted.until)
    return and_(true(), *parts, *_all_equal(columns, wanted, _INDEXED))


def filter_condition(columns: Any, wanted: AuditFilter) -> ColumnElement[bool]:
    """Return the other conditions of ``wanted``."""
    parts = _all_equal(columns, wanted, _EQUAL)
    if wanted.verbs:
        parts.append(columns.verb.in_([one for one in wanted.verbs if is_storable(one)]))
    if wanted.codes is not None:
        parts.append(columns.code.between(*wanted.codes))
    if wanted.user is not None:
        names = (columns.user_id, columns.username, columns.principal_id)
        called = columns.user_id.in_(wanted.called)
        parts.append(or_(called, *(_equals(one, wanted.user) for one in names)))
    if wanted.cluster is not None:
        places = (columns.cluster_id, columns.cluster)
        parts.append(or_(*(_equals(one, wanted.cluster) for one in places)))
    if wanted.path is not None:
        parts.append(_path(columns.path, wanted.path))
    return and_(true(), *parts)


def _path(column: ColumnElement[str], pattern: str) -> ColumnElement[bool]:
    if not is_storable(pattern):
        return false()
    if pattern.endswith("*"):
        return _begins(column, pattern[:-1])
    return or_(column == pattern, _begins(column, f"{pattern}?"))


def _begins(column: ColumnElement[str], prefix: str) -> ColumnElement[bool]:
    """Return whether a text begins so. LIKE ignores case in SQLite."""
    return func.substr(column, 1, len(prefix)) == prefix


def _all_equal(
    columns: Any, wanted: AuditFilter, names: Sequence[str]
) -> list[ColumnElement[bool]]:
    values = {name: getattr(wanted, name) for name in names}
    return [_equals(columns[name], one) for name, one in values.items() if one is not None]


def _equals(column: ColumnElement[Any], value: str | bool) -> ColumnElement[bool]:
    """Return an equality; no record has text that cannot be stored."""
    if isinstance(value, str) and not is_storable(value):
        return false()
    return column == value
