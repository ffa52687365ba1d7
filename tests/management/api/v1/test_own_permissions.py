"""Callers see what they may do, overall and at each place."""

from collections.abc import Collection

import pytest

from management.authorization.permissions import PERMISSIONS
from tests.management.api.conftest import Api


@pytest.mark.parametrize(
    ("who", "overall", "in_cluster", "in_project"),
    [
        ("admin", PERMISSIONS["global"], PERMISSIONS["cluster"], PERMISSIONS["project"]),
        ("c-member", {}, {"projects.create", "nodes.read"}, None),
        ("p-member", {}, {}, {"project.namespaces", "project.read"}),
        ("p-reader", {}, {}, {"project.read"}),
    ],
)
async def test_caller_permissions_are_shown_at_each_place(
    api: Api,
    who: str,
    overall: Collection[str],
    in_cluster: Collection[str],
    in_project: Collection[str] | None,
) -> None:
    assert (await api(who, "GET", "/v1/me")).body["permissions"] == sorted(overall)
    cluster = (await api(who, "GET", "/v1/clusters/prod")).body
    assert cluster["permissions"] == sorted(in_cluster)
    projects = (await api(who, "GET", "/v1/projects")).body["items"]
    expected = [] if in_project is None else [sorted(in_project)]
    assert [one["permissions"] for one in projects] == expected
