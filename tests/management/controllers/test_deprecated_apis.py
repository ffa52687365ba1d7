"""Deprecated APIs in use, from lines of an API server's metrics."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from management.controllers.deprecated_apis import (
    MAX_APIS,
    METRIC,
    deprecated_api,
    is_past,
    is_removed_next,
    merged,
)

NOW = datetime(2026, 11, 30, 12, tzinfo=UTC)
LABELS = (
    'group="networking.k8s.io",removed_release="1.37",resource="ipaddresses",subresource="",'
    'version="v1beta1"'
)
API = {
    "group": "networking.k8s.io",
    "version": "v1beta1",
    "resource": "ipaddresses",
    "subresource": "",
    "removed_release": "1.37",
}


def test_line_of_the_metric_names_an_api() -> None:
    assert deprecated_api(f"{METRIC}{{{LABELS}}} 1".encode()) == API


@pytest.mark.parametrize(
    "line",
    [
        f"{METRIC}{{{LABELS}}} 0",
        f"{METRIC}{{{LABELS}",
        f"{METRIC}{{}} 1",
        f"{METRIC}_total{{{LABELS}}} 1",
        f"# TYPE {METRIC} gauge",
        f'{METRIC}{{{LABELS},x="{"y" * 5000}"}} 1',
        f'{METRIC}{{version="v1",resource="{"x" * 300}"}} 1',
        "",
    ],
)
def test_other_line_names_no_api(line: str) -> None:
    assert deprecated_api(line.encode()) is None


def test_reading_ends_after_the_place_of_the_metric() -> None:
    before = [b"# HELP apiserver_audit_event_total x", f"# TYPE {METRIC} gauge".encode()]
    series = [b"apiserver_storage_objects 1", b"", b"#", b"# EOF"]
    assert [is_past(one) for one in before + series] == [False] * 6
    assert is_past(b"# HELP apiserver_storage_objects x")


@given(st.binary(max_size=300))
def test_any_line_is_read_without_an_error(line: bytes) -> None:
    for one in (line, f"{METRIC}{{".encode() + line):
        deprecated_api(one)
        is_past(one)


@pytest.mark.parametrize(
    ("removed", "version", "expected"),
    [
        ("1.37", "v1.36.3", True),
        ("1.36", "v1.36.3", True),
        ("1.38", "v1.36.3", False),
        ("1.37", "v1.36.3-gke.100", True),
        ("1.37", "v1.9.1", False),
        ("", "v1.36.3", False),
        ("1.37", "", False),
        ("soon", "unknown", False),
    ],
)
def test_removal_by_the_next_minor_release(removed: str, version: str, *, expected: bool) -> None:
    assert is_removed_next({"removed_release": removed}, version) is expected


def test_api_stays_for_a_day_after_a_server_reported_it_last() -> None:
    first = merged([], [API], NOW)
    later = merged(first, [], NOW + timedelta(hours=23))
    assert later == first
    assert merged(later, [], NOW + timedelta(hours=25)) == []


def test_api_that_is_reported_again_has_the_later_time() -> None:
    later = NOW + timedelta(hours=1)
    [found] = merged(merged([], [API], NOW), [API], later)
    assert found["seen_at"] == later.isoformat()


def test_the_newest_apis_are_kept() -> None:
    def api(number: int) -> dict[str, Any]:
        return {**API, "resource": f"r{number}"}

    old = merged([], [api(number) for number in range(MAX_APIS)], NOW)
    found = merged(old, [api(MAX_APIS)], NOW + timedelta(hours=1))
    assert len(found) == MAX_APIS
    assert found[0]["resource"] == f"r{MAX_APIS}"
