"""Streams of workloads and of logs, with a real kube-apiserver: they end when they must."""

from collections.abc import Callable, Iterator

import pytest

from proxy.demo.fake_kubelet import Pod
from tests.support.kubernetes import Kubernetes
from tests.support.open_resources import assert_released, idle_resources
from tests.support.sekisho import HttpResponse, SekishoWithUsers
from tests.support.shared_proxy import running_copy
from tests.support.waiting import wait_until
from tests.support.workload_objects import create_web, delete_web
from tests.support.workload_streams import opened

WORKLOADS = "/v1/clusters/test/workloads"


@pytest.fixture(scope="module")
def proxy(
    prepared_proxy: SekishoWithUsers, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[SekishoWithUsers]:
    """Keep idle connections for a second, and streams for two seconds of a stop."""
    yield from running_copy(
        prepared_proxy,
        tmp_path_factory.mktemp("streams") / "sekisho",
        SEKISHO_UPSTREAM__IDLE_CONNECTION_TTL="1s",
        SEKISHO_SERVER__SHUTDOWN_GRACE_SECONDS="2",
    )


def test_log_is_streamed_until_the_access_ends(
    proxy: SekishoWithUsers, running_pod: Callable[..., Pod], namespace: str
) -> None:
    pod = running_pod("talker", namespace)
    pod.say("first")
    guest = f"guest-{namespace}"
    proxy.create_user(guest)
    proxy.change("admin", "cluster", "grant", "test", "--user", guest, "--role", "owner")
    path = f"{WORKLOADS}/{namespace}/pod/talker/logs?follow=true"
    with opened(proxy, path, proxy.token(guest)) as stream:
        assert stream.headers["Content-Type"] == "text/plain; charset=utf-8"
        assert (stream.headers["Sekisho-Pod"], stream.headers["Sekisho-Container"]) == (
            "talker",
            "main",
        )
        assert stream.line() == "first"
        pod.say("second")
        assert stream.line() == "second"
        proxy.change("admin", "cluster", "revoke", "test", "--user", guest)
        assert stream.is_cut_off(), "an incomplete log must not look complete"


@pytest.mark.parametrize(
    "query", ["tail=x", "follow=yes", "pod=..", "lines=3", "since=0", "container=A"]
)
def test_invalid_query_of_a_log_is_refused(proxy: SekishoWithUsers, query: str) -> None:
    path = f"{WORKLOADS}/default/pod/talker/logs?{query}"
    assert proxy.request("GET", path, token=proxy.token("alice")).status == 422


def test_log_of_what_does_not_exist_is_refused_with_the_words_of_the_cluster(
    proxy: SekishoWithUsers, running_pod: Callable[..., Pod], namespace: str
) -> None:
    running_pod("quiet", namespace)
    path = f"{WORKLOADS}/{namespace}/pod/quiet/logs"

    def asked(suffix: str) -> HttpResponse:
        return proxy.request("GET", path + suffix, token=proxy.token("carol"))

    assert (asked("").status, asked("").body) == (200, b"")
    other = asked("?pod=other")
    assert (other.status, 'no pod "other"' in other.json()["detail"]) == (404, True)
    container = asked("?container=none")
    assert (container.status, "none is not valid" in container.json()["detail"]) == (400, True)


def test_stream_of_a_list_sends_changes_and_ends_with_the_access(
    proxy: SekishoWithUsers, kubernetes: Kubernetes, namespace: str
) -> None:
    create_web(kubernetes, namespace)
    guest = f"watcher-{namespace}"
    proxy.create_user(guest)
    proxy.change("admin", "cluster", "grant", "test", "--user", guest, "--role", "read-only")
    path = f"{WORKLOADS}?namespace={namespace}&watch=1"
    with opened(proxy, path, proxy.token(guest)) as stream:
        assert stream.event()[0] == "added"
        assert stream.event() == ("synced", {"items": 1, "incomplete": []})
        create_web(kubernetes, namespace, "more")
        assert stream.next("added")["name"] == "more"
        delete_web(kubernetes, namespace)
        assert stream.next("deleted")["name"] == "web"
        proxy.change("admin", "cluster", "revoke", "test", "--user", guest)
        assert "may enter" in stream.next("ended")["reason"]
        assert stream.line() == "", "the end of the last event"
        assert stream.line() is None


def test_page_of_a_list_is_streamed_as_a_document(
    proxy: SekishoWithUsers, kubernetes: Kubernetes, namespace: str
) -> None:
    path = f"{WORKLOADS}?namespace={namespace}&watch=1&limit=1"
    with opened(proxy, path, proxy.token("carol")) as stream:
        assert stream.event() == ("state", {"items": [], "incomplete": []})
        create_web(kubernetes, namespace)
        assert [one["name"] for one in stream.next("state")["items"]] == ["web"]


def test_client_that_leaves_a_stream_leaves_nothing_behind(
    proxy: SekishoWithUsers, running_pod: Callable[..., Pod], namespace: str
) -> None:
    running_pod("silent", namespace)
    token = proxy.token("alice")
    proxy.request("GET", f"{WORKLOADS}?namespace={namespace}", token=token)
    before = idle_resources(proxy)
    for path in (
        f"{WORKLOADS}/{namespace}/pod/silent/logs?follow=true",
        f"{WORKLOADS}?namespace={namespace}&watch=1",
    ):
        for _ in range(5):
            with opened(proxy, path, token):
                pass
    assert_released(before, proxy)


def test_log_that_is_followed_does_not_prevent_a_stop(
    proxy: SekishoWithUsers, running_pod: Callable[..., Pod], namespace: str
) -> None:
    pod = running_pod("lasting", namespace)
    pod.say("first")
    token = proxy.token("alice")
    with (
        opened(proxy, f"{WORKLOADS}/{namespace}/pod/lasting/logs?follow=true", token) as log,
        opened(proxy, f"{WORKLOADS}?namespace={namespace}&watch=1", token) as watch,
    ):
        assert log.line() == "first"
        watch.next("synced")
        assert proxy.stop() == 0
        assert log.is_cut_off()
    proxy.start()
    wait_until(lambda: "Traceback" not in proxy.log, 10)
