"""One API server: its address, the head of its requests, and its ejections."""

import pytest

from proxy.upstream.host import EJECTION_SECONDS, UpstreamHost


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.mark.parametrize(
    ("url", "name", "port", "start"),
    [
        ("https://a.test", "a.test", 443, b"GET /x HTTP/1.1\r\nHost: a.test\r\n"),
        ("http://a.test:81/p/", "a.test", 81, b"GET /p/x HTTP/1.1\r\nHost: a.test:81\r\n"),
        ("https://[::1]:6443", "::1", 6443, b"GET /x HTTP/1.1\r\nHost: [::1]:6443\r\n"),
    ],
)
def test_request_to_a_url_has_its_prefix_and_authority(
    url: str, name: str, port: int, start: bytes
) -> None:
    host = UpstreamHost(url, Clock())
    assert (host.name, host.port) == (name, port)
    assert host.request_line_and_host(b"GET", b"/x") == start
    assert host.request_head("GET", "/x", b"A: b\r\n\r\n") == start + b"A: b\r\n\r\n"


def test_ejection_doubles_up_to_its_maximum_and_success_ends_it() -> None:
    clock = Clock()
    host = UpstreamHost("https://a.test", clock)
    first, most = EJECTION_SECONDS
    for number in range(20):
        host.record_failure()
        assert not host.healthy
        expected = min(most, first * 2**number)
        assert 0.8 * expected <= host.ejected_until - clock.now <= 1.2 * expected
        clock.now = host.ejected_until
        assert host.healthy
    host.record_failure()
    host.record_success()
    assert host.healthy
    assert host.failures == 0


def test_failures_during_an_ejection_do_not_prolong_it() -> None:
    host = UpstreamHost("https://a.test", Clock())
    host.record_failure()
    until = host.ejected_until
    host.record_failure()
    assert (host.ejected_until, host.failures) == (until, 1)
