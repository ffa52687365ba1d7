"""The session's cluster has no namespace of a module that has ended."""

from tests.support.kubernetes import Kubernetes


def test_removed_namespace_can_be_created_again(kubernetes: Kubernetes) -> None:
    kubernetes.create_namespace("shop-web")
    kubernetes.remove_namespaces("shop-web")
    kubernetes.create_namespace("shop-web")
    kubernetes.remove_namespaces("shop-web")
    assert "shop-web" not in kubernetes.namespaces()
