"""The management cluster with the custom resources of the providers, for shipped classes."""

from collections.abc import Iterator

import pytest

from tests.deploy.classes.class_cluster import NAMESPACE, ClassCluster
from tests.support.capi.management_cluster import ManagementCluster
from tests.support.capi.provider_definitions import provider_definitions
from tests.support.custom_resources import await_definitions


@pytest.fixture(scope="session")
def class_cluster(management_cluster: ManagementCluster) -> Iterator[ClassCluster]:
    """Return the management cluster with the providers' kinds, and no provider.

    Classes are in a namespace of their own, so that other tests do not see them.
    """
    space = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}}
    management_cluster.apply([space, *provider_definitions()])
    await_definitions(management_cluster.kubeconfig)
    cluster = ClassCluster(management_cluster)
    yield cluster
    cluster.delete_all()
