"""The removal of a cluster on its page, when another Sekisho uses the cluster too."""

from collections.abc import Iterator

import pytest

from tests.support.kubernetes import Kubernetes, kubectl
from tests.support.pages import Pages

pytestmark = pytest.mark.timeout(400)  # the browser may have to be installed first

OTHER = "c-0000000000"
LABELS = (
    "app.kubernetes.io/managed-by=sekisho",
    "app.kubernetes.io/part-of=sekisho",
    f"sekisho.io/cluster={OTHER}",
)


@pytest.fixture
def binding_of_another_sekisho(kubernetes: Kubernetes) -> Iterator[None]:
    """Have an object in the cluster that another Sekisho made for its record."""
    kind, name = "clusterrolebinding", "sekisho-of-another"
    file = kubernetes.admin_kubeconfig
    made = kubectl(file, "create", kind, name, "--clusterrole=view", "--user=another")
    assert made.returncode == 0, made.stderr
    try:
        assert kubectl(file, "label", kind, name, *LABELS).returncode == 0
        yield
    finally:
        assert kubectl(file, "delete", kind, name).returncode == 0


@pytest.mark.usefixtures("binding_of_another_sekisho")
def test_removal_says_what_is_left_for_another_sekisho(pages: Pages) -> None:
    pages.sign_in("root", path="/clusters/test/settings")
    pages.press("Remove cluster")
    pages.type_into("Type test to confirm", "test")
    pages.press("Remove cluster", "dialog")
    pages.says("test is removed.")
    pages.says("Another Sekisho has objects in the cluster")
    pages.says("delete the namespace sekisho-system")
    pages.check("cluster-removed")
    assert pages.logged() == []
