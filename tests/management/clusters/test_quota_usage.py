"""What projects use of their quotas."""

import asyncio
from typing import Any

import pytest

from management.clusters.quota_usage import (
    MAX_CACHED,
    MAX_NAMESPACES,
    MAX_RESOURCES,
    QuotaUsage,
    Usage,
    total,
    usage_by_namespace,
)
from management.errors import ClusterOperationFailed
from tests.store.records import a_cluster

UNREACHABLE = a_cluster(servers=("https://127.0.0.1:1",), ca_pem=None)


def a_quota(namespace: str, used: Any, name: str = "sekisho-project") -> dict[str, Any]:
    status = {"hard": {"pods": "10"}, "used": used}
    return {"metadata": {"name": name, "namespace": namespace}, "status": status}


def test_usage_is_read_from_sekishos_quotas_only() -> None:
    quotas = [a_quota("one", {"pods": "3"}), a_quota("two", {"pods": "4"}, name="theirs")]
    assert usage_by_namespace(quotas) == {"one": Usage({"pods": "10"}, {"pods": "3"})}


@pytest.mark.parametrize("used", [None, [], "x", {"pods": 3}, {"pods": "many"}, {"x" * 300: "1"}])
def test_amounts_that_no_cluster_sends_are_left_out(used: Any) -> None:
    assert usage_by_namespace([a_quota("one", used)])["one"].used == {}


def test_quota_without_metadata_or_status_is_left_out() -> None:
    assert usage_by_namespace([{}, {"metadata": None, "status": None}]) == {}


def test_number_of_namespaces_and_resources_is_bounded() -> None:
    many = {f"r{n}": "1" for n in range(MAX_RESOURCES + 5)}
    quotas = (a_quota(f"n{n}", many if n == 0 else {}) for n in range(MAX_NAMESPACES + 5))
    found = usage_by_namespace(quotas)
    assert (len(found), len(found["n0"].used)) == (MAX_NAMESPACES, MAX_RESOURCES)


def test_total_adds_quantities_of_different_units() -> None:
    assert {
        key: int(one) for key, one in total([{"m": "1Ki"}, {"m": "1024", "p": "1"}]).items()
    } == {
        "m": 2048,
        "p": 1,
    }


async def test_failed_read_is_shared_and_reused_until_it_is_old() -> None:
    now = [0.0]
    usage = QuotaUsage(lambda: now[0])
    results = await asyncio.gather(
        *(usage.of_cluster(UNREACHABLE) for _ in range(3)), return_exceptions=True
    )
    assert len({id(one) for one in results}) == 1
    assert isinstance(results[0], ClusterOperationFailed)
    with pytest.raises(ClusterOperationFailed) as again:
        await usage.of_cluster(UNREACHABLE)
    assert again.value is results[0]
    now[0] = 5.0
    with pytest.raises(ClusterOperationFailed) as later:
        await usage.of_cluster(UNREACHABLE)
    assert later.value is not results[0]
    await usage.close()


async def test_number_of_cached_clusters_is_bounded() -> None:
    usage = QuotaUsage()
    for n in range(MAX_CACHED + 3):
        with pytest.raises(ClusterOperationFailed):
            await usage.of_cluster(a_cluster(f"c{n}", controller_token=None))
    assert len(usage._reads) == MAX_CACHED
    await usage.close()
