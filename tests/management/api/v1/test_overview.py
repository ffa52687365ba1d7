"""The overview shows each caller what the caller may see, and nothing else."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from management.api.v1.overview import MAX_ENDING, MAX_PROBLEMS
from proxy.transport.certificates import create_authority
from store.access_records import ProjectNamespace
from store.records import ClusterStatus, CredentialSource
from tests.management.api.conftest import HELD, Api
from tests.store.records import NOW, a_token

DOWN = {"type": "Reachable", "status": "False", "reason": "NoResponse", "message": "10.0.0.1"}
UP = {"type": "Reachable", "status": "True", "reason": "", "message": ""}
UNSYNCED = {"type": "RBACReady", "status": "False", "reason": "NotReconciled", "message": "why"}


async def overview(api: Api, name: str) -> Any:
    response = await api(name, "GET", "/v1/overview")
    assert response.status == 200, response.body
    return response.body


async def put_status(api: Api, cluster: str, *conditions: dict[str, str], nodes: int = 0) -> None:
    data = {"conditions": list(conditions), "nodes": {"total": nodes}}
    await api.store.fleet.put_status(ClusterStatus(cluster, data, NOW))


async def test_overview_of_an_administrator_counts_everything(api: Api) -> None:
    await put_status(api, "c-prod", UP, nodes=3)
    await put_status(api, "c-other", DOWN, nodes=2)
    await api.store.projects.put_namespace(
        ProjectNamespace("c-prod", "shop-web", "uid-1", "p-shop", "p-shop")
    )
    found = await overview(api, "admin")
    clusters = found["clusters"]
    assert (clusters["total"], clusters["healthy"], clusters["unreachable"]) == (2, 1, 1)
    assert clusters["nodes"] == 5
    assert [(one["name"], one["condition"], one["message"]) for one in clusters["problems"]] == [
        ("other", "Reachable", "10.0.0.1")
    ]
    assert found["projects"] == {"total": 1, "namespaces": 1, "pending": 0}
    assert found["users"]["total"] == len(HELD)
    assert found["users"]["administrators"] == 1
    assert found["tokens"]["of"] == "all"
    assert found["overload"] == {"overloaded": False, "lag_seconds": 0.0}
    assert found["providers"] == []


async def test_overview_of_a_user_without_roles_has_own_tokens_only(api: Api) -> None:
    await put_status(api, "c-prod", DOWN, nodes=3)
    found = await overview(api, "plain")
    assert (found["clusters"]["total"], found["clusters"]["problems"]) == (0, [])
    assert found["projects"] == {"total": 0, "namespaces": 0, "pending": 0}
    assert [found[name] for name in ("users", "providers", "overload")] == [None] * 3
    assert (found["tokens"]["of"], found["tokens"]["sessions"]) == ("own", 1)


async def test_overview_of_a_member_hides_addresses_and_other_clusters(api: Api) -> None:
    await put_status(api, "c-prod", DOWN, UNSYNCED)
    await put_status(api, "c-other", DOWN)
    clusters = (await overview(api, "c-member"))["clusters"]
    assert (clusters["total"], clusters["unreachable"]) == (1, 1)
    assert {one["message"] for one in clusters["problems"]} == {""}
    assert [one["condition"] for one in clusters["problems"]] == ["Reachable"]  # The cause only.


async def test_overview_of_a_project_member_does_not_show_the_clusters_health(api: Api) -> None:
    await put_status(api, "c-prod", DOWN, nodes=3)
    found = await overview(api, "p-member")
    assert (found["clusters"]["total"], found["clusters"]["unknown"]) == (1, 1)
    assert (found["clusters"]["nodes"], found["clusters"]["problems"]) == (0, [])
    assert found["projects"]["total"] == 1


async def test_cluster_with_a_failed_condition_is_degraded(api: Api) -> None:
    await put_status(api, "c-prod", UP, UNSYNCED)
    clusters = (await overview(api, "c-owner"))["clusters"]
    assert (clusters["degraded"], clusters["problems"][0]["message"]) == (1, "why")


async def test_tokens_that_end_soon_are_shown_to_their_user_and_administrators(api: Api) -> None:
    soon = datetime.now(UTC) + timedelta(days=3)
    for name, user, ends_at in (
        ("token-mine", "u-plain", soon),
        ("token-theirs", "u-standard", soon),
        ("token-later", "u-plain", soon + timedelta(days=300)),
        ("token-over", "u-plain", soon - timedelta(days=4)),
    ):
        await api.store.tokens.create(a_token(name, user, expires_at=ends_at))

    async def names(caller: str) -> set[str]:
        return {one["id"] for one in (await overview(api, caller))["ending"] if one["user"]}

    assert await names("plain") == {"token-mine"}
    assert await names("restricted") == set()
    assert await names("admin") == {"token-mine", "token-theirs"}


async def test_ending_certificates_and_tokens_of_a_cluster_are_shown_to_its_owners(
    api: Api,
) -> None:
    now = datetime.now(UTC)
    authority = create_authority("old", lifetime=timedelta(days=9), now=now)
    cluster = await api.store.clusters.get("prod")
    assert cluster is not None
    changed = replace(
        cluster,
        ca_pem=authority.certificate_pem.decode(),
        credential_source=CredentialSource.STATIC,
        tokens_expire_at=now + timedelta(days=2),
    )
    await api.store.clusters.replace(changed)

    async def kinds(caller: str) -> list[str]:
        ending = (await overview(api, caller))["ending"]
        return [one["kind"] for one in ending if one["name"] == "prod"]

    assert await kinds("c-owner") == ["cluster_token", "cluster_certificate"]
    assert await kinds("c-member") == []


async def test_overview_lists_a_bounded_number_of_problems_and_endings(api: Api) -> None:
    conditions = [{**UNSYNCED, "type": f"Condition{n}"} for n in range(MAX_PROBLEMS + 10)]
    await put_status(api, "c-prod", *conditions)
    soon = datetime.now(UTC) + timedelta(days=1)
    for n in range(MAX_ENDING + 10):
        await api.store.tokens.create(
            a_token(f"token-{n}", "u-plain", digest=bytes([n]) * 32, expires_at=soon)
        )
    found = await overview(api, "admin")
    assert len(found["clusters"]["problems"]) == MAX_PROBLEMS
    assert len(found["ending"]) == MAX_ENDING


@pytest.mark.parametrize("scope", ["global", "cluster", "project"])
async def test_permissions_are_listed_with_what_they_allow(api: Api, scope: str) -> None:
    response = await api("plain", "GET", f"/v1/permissions?scope={scope}")
    assert response.status == 200
    assert response.body["items"]
    assert all(one["description"].endswith(".") for one in response.body["items"])
