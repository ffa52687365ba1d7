"""Valid resources and amounts of quotas and container limits."""

import pytest

from management.desired_state.quota_resources import check_container, check_quota, check_request


@pytest.mark.parametrize(
    ("resource", "amount"),
    [
        ("pods", "10"),
        ("pods", "1k"),
        ("pods", "1e2"),
        ("services.loadbalancers", "0"),
        ("limits.cpu", "1500m"),
        ("requests.cpu", "0.25"),
        ("memory", "64Gi"),
        ("requests.storage", "1Ti"),
        ("requests.ephemeral-storage", "1Gi"),
        ("count/deployments.apps", "3"),
        ("count/pods", "3"),
        ("requests.nvidia.com/gpu", "4"),
        ("hugepages-2Mi", "64Mi"),
        ("requests.hugepages-1Gi", "2Gi"),
        ("fast.storageclass.storage.k8s.io/requests.storage", "10Gi"),
        ("fast.storageclass.storage.k8s.io/persistentvolumeclaims", "3"),
    ],
)
def test_quota_of_known_resources_is_accepted(resource: str, amount: str) -> None:
    check_quota({resource: amount})


@pytest.mark.parametrize(
    ("quota", "why"),
    [
        ({"podz": "1"}, "podz: a quota counts no such resource"),
        ({"Pods": "1"}, "Pods: a quota counts no such resource"),
        ({"limits.gpu": "1"}, "limits.gpu: a quota counts no such"),
        ({"limits.nvidia.com/gpu": "1"}, "no such resource"),
        ({"nvidia.com/gpu": "1"}, "no such resource"),
        ({"count/": "1"}, "no such resource"),
        ({"hugepages-": "1"}, "no such resource"),
        ({"pods": "500m"}, "pods: 500m must be a whole number"),
        ({"pods": "0.5"}, "whole number"),
        ({"pods": "100n"}, "whole number"),
        ({"count/jobs.batch": "1500m"}, "whole number"),
        ({"requests.nvidia.com/gpu": "500m"}, "whole number"),
        ({"requests.memory": "1500m"}, "whole number"),
        ({"limits.cpu": "100u"}, "finer than 1m"),
        ({"pods": "10E"}, "more than Kubernetes can count"),
        ({"pods": "1e99"}, "more than Kubernetes can count"),
        ({"requests.cpu": "2", "limits.cpu": "1"}, "requests.cpu: 2 is above limits.cpu, 1"),
        ({"memory": "2Gi", "limits.memory": "1Gi"}, "memory: 2Gi is above"),
    ],
)
def test_quota_of_unknown_resources_is_rejected(quota: dict[str, str], why: str) -> None:
    with pytest.raises(ValueError, match=why):
        check_quota(quota)


@pytest.mark.parametrize("resource", ["pods", "limits.cpu", "requests.cpu", "storage", "x/"])
def test_unknown_container_resource_is_rejected(resource: str) -> None:
    with pytest.raises(ValueError, match="no such resource"):
        check_container({resource: "1"})
    check_container({"cpu": "100m", "memory": "1Gi", "nvidia.com/gpu": "1"})


def test_request_above_its_limit_is_rejected() -> None:
    with pytest.raises(ValueError, match="cpu: 2 is above the limit, 1500m"):
        check_request({"cpu": "2"}, {"cpu": "1500m"})
    with pytest.raises(ValueError, match="must be the limit"):
        check_request({"nvidia.com/gpu": "1"}, {"nvidia.com/gpu": "2"})
    check_request({"cpu": "1", "memory": "5Gi"}, {"cpu": "1000m"})
