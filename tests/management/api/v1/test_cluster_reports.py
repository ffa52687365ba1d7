"""Events, usage, deprecated APIs and ends of credentials of a cluster, over HTTP."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from management.clusters.agent_token_renewal import MOST_AGE
from store.agent_records import AgentToken
from store.records import ClusterReport, ClusterStatus, CredentialSource, ReportKind
from tests.management.api.conftest import Api
from tests.store.records import NOW

PATH = "/v1/clusters/prod"


async def put(api: Api, kind: ReportKind, data: dict[str, Any]) -> None:
    await api.store.fleet.put_report(ClusterReport("c-prod", kind, data, NOW))


async def put_status(api: Api, **data: Any) -> None:
    await api.store.fleet.put_status(ClusterStatus("c-prod", data, NOW))


def event(number: int, **fields: Any) -> dict[str, Any]:
    return {
        "id": f"default/e{number}",
        "type": "Warning",
        "reason": "Failed",
        "kind": "Pod",
        "namespace": "default",
        "name": "web",
        "message": "no such image",
        "count": 1,
        "last_at": f"2026-11-23T10:00:0{number}.000000+00:00",
        **fields,
    }


async def test_newest_events_come_first(api: Api) -> None:
    await put(api, "events", {"events": [event(1), event(3, type="Normal"), event(2)]})
    found = (await api("c-reader", "GET", f"{PATH}/events")).body["items"]
    assert [one["id"] for one in found] == ["default/e3", "default/e2", "default/e1"]
    found = (await api("c-reader", "GET", f"{PATH}/events?type=Normal")).body["items"]
    assert [one["id"] for one in found] == ["default/e3"]
    found = (await api("c-reader", "GET", f"{PATH}/events?search=IMAGE&limit=1")).body
    assert (len(found["items"]), "continue" in found) == (1, True)


async def test_cluster_that_was_not_read_yet_has_empty_reports(api: Api) -> None:
    for name in ("events", "deprecations"):
        assert (await api("c-owner", "GET", f"{PATH}/{name}")).body == {"items": []}
    usage = await api("c-owner", "GET", f"{PATH}/usage")
    assert usage.body == {"read_at": None, "nodes": None, "namespaces": None, "problems": []}


async def test_usage_says_what_could_not_be_read(api: Api) -> None:
    nodes = [{"name": "n1", "cpu": "250m", "memory": "1Gi"}]
    await put(api, "usage", {"read_at": "2026-11-30", "nodes": nodes, "namespaces": None})
    failed = {"type": "NamespaceUsageRead", "status": "False", "reason": "MissingRight"}
    failed |= {"message": "Sekisho may not list", "since": NOW.isoformat()}
    other = {**failed, "type": "DeprecatedApisRead"}
    await put_status(api, reports=[failed, other, {**failed, "status": "True"}])
    found = (await api("c-reader", "GET", f"{PATH}/usage")).body
    assert (found["nodes"], found["namespaces"], found["problems"]) == (nodes, None, [failed])
    assert found["read_at"] == "2026-11-30"


async def test_deprecated_apis_are_compared_with_the_clusters_version(api: Api) -> None:
    def one(resource: str, removed: str, group: str = "") -> dict[str, Any]:
        names = {"group": group, "version": "v1", "resource": resource, "subresource": ""}
        return {**names, "removed_release": removed, "seen_at": NOW.isoformat()}

    apis = [one("endpoints", ""), one("a", "1.37", "x.org"), one("b", "1.38")]
    await put(api, "deprecations", {"apis": apis})
    await put_status(api, version="v1.36.3")
    found = (await api("c-reader", "GET", f"{PATH}/deprecations")).body["items"]
    assert [(one["id"], one["removed_next"]) for one in found] == [
        ("a.v1.x.org", True),
        ("b.v1", False),
        ("endpoints.v1", False),
    ]
    found = (await api("c-reader", "GET", f"{PATH}/deprecations?removed_next=true")).body["items"]
    assert [one["id"] for one in found] == ["a.v1.x.org"]


async def test_ends_of_credentials_are_shown_to_owners(api: Api) -> None:
    ends_at = datetime(2027, 5, 1, tzinfo=UTC)
    certificate = {"begins_at": NOW.isoformat(), "ends_at": ends_at.isoformat()}
    await put_status(api, certificate=certificate)
    cluster = await api.store.clusters.get("prod")
    assert cluster is not None
    await api.store.clusters.replace(
        replace(cluster, credential_source=CredentialSource.TOKEN_REQUEST, tokens_expire_at=ends_at)
    )
    await api.store.agent_tokens.create(AgentToken("at-1", "c-prod", b"d" * 32, NOW))
    found = {one["kind"]: one for one in (await api("c-owner", "GET", PATH)).body["expirations"]}
    assert found["api_server_certificate"]["ends_at"] == ends_at.isoformat()
    assert found["cluster_token"]["renews_at"] < found["cluster_token"]["ends_at"]
    agent = {"ends_at": None, "renews_at": (NOW + MOST_AGE).isoformat()}
    assert found["agent_token"] == {"kind": "agent_token", **agent}
    assert "expirations" not in (await api("c-member", "GET", PATH)).body


async def test_certificate_of_an_api_server_ends_soon_by_its_own_lifetime(api: Api) -> None:
    async def kinds(lifetime: int, left: int) -> list[str]:
        ends_at = datetime.now(UTC) + timedelta(days=left)
        begins_at = ends_at - timedelta(days=lifetime)
        validity = {"begins_at": begins_at.isoformat(), "ends_at": ends_at.isoformat()}
        await put_status(api, certificate=validity)
        found = (await api("c-owner", "GET", "/v1/overview")).body["ending"]
        return [one["kind"] for one in found if one["name"] == "prod"]

    assert await kinds(lifetime=365, left=29) == ["api_server_certificate"]
    assert await kinds(lifetime=365, left=31) == []
    assert await kinds(lifetime=10, left=3) == []
    assert await kinds(lifetime=10, left=1) == ["api_server_certificate"]
