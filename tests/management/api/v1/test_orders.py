"""Orders as the API shows them, and to whom, while no management cluster responds."""

from store.interfaces import Store
from tests.management.api.conftest import Api
from tests.management.api.test_listing import stream, until
from tests.management.api.v1.pending_order import VALUES
from tests.management.api.v1.pending_order import order as order
from tests.store.order_records import NO_LIMITS, an_order
from tests.store.records import NOW, a_cluster, let_in

SEES = {"plain", "admin", "restricted", "auditor"}


async def test_order_is_shown_to_its_orderer_and_readers_of_all_clusters_only(api: Api) -> None:
    for who in ("plain", "admin", "restricted", "auditor", "c-owner", "standard", "p-reader"):
        listed = [one["name"] for one in (await api(who, "GET", "/v1/clusters")).body["items"]]
        assert ("shop" in listed) is (who in SEES), who
        for path in ("/v1/clusters/shop", "/v1/clusters/c-shop"):
            response = await api(who, "GET", path)
            assert response.status == (200 if who in SEES else 404), who
    missing = await api("c-owner", "GET", "/v1/clusters/zzz")
    hidden = await api("c-owner", "GET", "/v1/clusters/shop")
    assert hidden.body["detail"].replace("shop", "zzz") == missing.body["detail"]


async def test_order_has_its_state_machines_and_the_engines_words(api: Api) -> None:
    response = await api("plain", "GET", "/v1/clusters/shop")
    shown = response.body
    assert (shown["id"], shown["role"], response.headers["ETag"]) == ("c-shop", "owner", '"1"')
    assert shown["provision"] == {
        "state": "provisioning",
        "since": NOW.isoformat(),
        "slow": False,
        "imported": False,
        "message": "quota of 8 CPUs exceeded",
        "engine_away": None,
        "class": "standin",
        "version": "v1.36.3",
        "management": "c-prod",
        "adopted": False,
        "infrastructure": None,
        "ready": {"machines": 1, "of": 3},
        "wanted": {
            "version": "v1.36.3",
            "control_plane": {"replicas": 1},
            "pools": [{"name": "workers", "class": "worker", "replicas": 2, "kind": "deployment"}],
            "workers": 2,
            "reach": "direct",
            "variables": VALUES,
        },
        "conditions": [
            {
                "type": "Available",
                "status": "False",
                "reason": "QuotaExceeded",
                "message": "quota of 8 CPUs",
                "since": NOW.isoformat(),
            }
        ],
    }


async def test_values_of_variables_are_shown_to_those_who_may_change_the_cluster_only(
    api: Api, store: Store
) -> None:
    await store.orders.observe("c-shop", state="refused", message="variable-secret is too short")
    for who in ("plain", "admin"):
        assert "variable-secret" in str((await api(who, "GET", "/v1/clusters/shop")).body)
    auditor = (await api("auditor", "GET", "/v1/clusters/shop")).body
    assert "variable-secret" not in str(auditor)
    assert auditor["provision"]["wanted"]["pools"][0]["replicas"] == 2
    await store.clusters.create(a_cluster("shop"))
    await let_in(store, "c-shop", "u-c-member")
    member = (await api("c-member", "GET", "/v1/clusters/shop")).body["provision"]
    assert "variable-secret" not in str(member)
    assert (member["state"], member["version"], "conditions" in member) == (
        "refused",
        "v1.36.3",
        False,
    )


async def test_roles_in_the_cluster_decide_after_the_import(api: Api, store: Store) -> None:
    await store.clusters.create(a_cluster("shop"))
    assert (await api("plain", "GET", "/v1/clusters/shop")).status == 404
    await let_in(store, "c-shop", "u-plain", "cluster-owner")
    response = await api("plain", "GET", "/v1/clusters/shop")
    assert (response.body["provision"]["state"], response.headers["ETag"]) == (
        "provisioning",
        '"1.1"',
    )
    (listed,) = (await api("plain", "GET", "/v1/clusters")).body["items"]
    assert (listed["id"], "wanted" in listed["provision"]) == ("c-shop", False)


async def test_pages_have_clusters_and_orders_in_one_order(api: Api, store: Store) -> None:
    for name in ("aaa", "pzz", "zzz"):
        await store.orders.create(
            an_order(name, management_id="c-prod", owner_id="u-plain"), NO_LIMITS
        )
    for sort in ("name", "-name", "created_at"):
        seen: list[str] = []
        path = f"/v1/clusters?limit=2&sort={sort}"
        following = ""
        while True:
            body = (await api("admin", "GET", path + following)).body
            seen += [one["name"] for one in body["items"]]
            if "continue" not in body:
                break
            following = f"&continue={body['continue']}"
        expected = ["aaa", "other", "prod", "pzz", "shop", "zzz"]
        assert seen == (expected[::-1] if sort == "-name" else expected), sort


async def test_watched_list_shows_changes_of_an_order(api: Api, store: Store) -> None:
    async with stream(api, "plain", "/v1/clusters?watch=1") as events:
        assert (await until(events, "added"))["provision"]["state"] == "provisioning"
        await until(events, "synced")
        await store.orders.observe("c-shop", state="initialized")
        assert (await until(events, "modified"))["provision"]["state"] == "initialized"
        await store.orders.delete("c-shop")
        assert (await until(events, "deleted"))["id"] == "c-shop"


async def test_requests_into_a_pending_order_name_its_state_to_those_who_see_it(api: Api) -> None:
    for path in ("kubeconfig", "members", "nodes", "workloads"):
        response = await api("plain", "GET", f"/v1/clusters/shop/{path}")
        assert response.status == 409
        assert "on order (provisioning) and not imported" in response.body["detail"]
        assert (await api("c-owner", "GET", f"/v1/clusters/shop/{path}")).status == 404
