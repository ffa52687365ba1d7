"""The times of a request for several clusters fit into the time of its key."""

from management.api.idempotency import UNFINISHED
from management.api.v1.workloads_of_clusters import BEGIN_SECONDS, CLUSTER_SECONDS


def test_request_ends_before_another_with_its_key_can_begin() -> None:
    assert BEGIN_SECONDS > 0
    assert UNFINISHED.total_seconds() > BEGIN_SECONDS + CLUSTER_SECONDS
