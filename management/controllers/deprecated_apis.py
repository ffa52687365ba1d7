"""Deprecated APIs that clients of a cluster use, by a metric of its API servers. Pure.

The metric is ``apiserver_requested_deprecated_apis`` (KEP-1693, stable since Kubernetes 1.33). Each
API server counts its own requests since its start, so an API that one of several servers reported
stays in the report for a day. A cluster's metrics are not trusted: each line is checked.
"""

import re
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

from management.kubernetes.validation import moment, text

METRIC = "apiserver_requested_deprecated_apis"

MAX_APIS = 200
"""Deprecated APIs in a report. Kubernetes itself has a few dozen; definitions of resources may
deprecate their versions, too."""

MAX_LINE = 4096
"""Bytes of a line with this metric. It has five labels, each a name in Kubernetes."""

KEPT = timedelta(days=1)
"""How long an API stays in the report after an API server reported it last."""

_LABEL = re.compile(r'([a-z_]{1,32})="([^"\\\n]{0,253})"')
_LABELS = ("group", "version", "resource", "subresource", "removed_release")
_RELEASE = re.compile(r"v?(\d{1,3})\.(\d{1,3})(?!\d)")

Api = dict[str, Any]


def deprecated_api(line: bytes) -> Api | None:
    """Return the API in a line of the metric; None for any other line."""
    if len(line) > MAX_LINE or not line.startswith(f"{METRIC}{{".encode()):
        return None
    labels, closed, value = line.decode("utf-8", "replace").rpartition("}")
    if not closed or value.strip() in {"", "0"}:
        return None
    found = dict(_LABEL.findall(labels))
    if not found.get("version") or not found.get("resource"):
        return None
    return {name: text(found.get(name, "")) for name in _LABELS}


def is_past(line: bytes) -> bool:
    """Return whether the metric cannot follow after this line.

    API servers write metrics in the order of their names. The largest ones, about the duration of
    requests, come later and are not read.
    """
    kind, _, rest = line.partition(b" ")
    if kind != b"#":
        return False
    name = rest.partition(b" ")[2].partition(b" ")[0]
    return name > METRIC.encode()


def merged(before: Iterable[Mapping[str, Any]], found: Iterable[Api], now: datetime) -> list[Api]:
    """Return the APIs that were reported within a day, those reported last first."""
    apis = {_key(one): {**one, "seen_at": now.isoformat(timespec="seconds")} for one in found}
    for one in before:
        seen = moment(one.get("seen_at"))
        if seen is not None and now - seen < KEPT:
            apis.setdefault(_key(one), dict(one))
    newest = sorted(apis.values(), key=lambda one: str(one["seen_at"]), reverse=True)
    return newest[:MAX_APIS]


def is_removed_next(api: Mapping[str, Any], version: str) -> bool:
    """Return whether the minor release after ``version`` (``v1.36.3``) does not have the API."""
    removed, current = _release(str(api.get("removed_release") or "")), _release(version)
    return bool(removed and current) and removed <= (current[0], current[1] + 1)


def _release(version: str) -> tuple[int, ...]:
    """Return major and minor number; empty if they are not known."""
    found = _RELEASE.match(version)
    return tuple(int(one) for one in found.groups()) if found else ()


def _key(api: Mapping[str, Any]) -> tuple[str, ...]:
    return tuple(str(api.get(name) or "") for name in _LABELS[:4])
