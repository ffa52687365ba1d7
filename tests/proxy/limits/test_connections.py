"""Limits of connections per network and in total, with a reserve for authenticated callers."""

from config.limit_settings import ConnectionLimits
from management.http.client_address import ClientAddresses
from proxy.limits.connections import KNOWN_SECONDS, MOST_KNOWN, ConnectionLimiter, ConnectionPermit


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def connections(most: int = 100, clock: Clock | None = None, **limits: float) -> ConnectionLimiter:
    settings = ConnectionLimits.model_validate(limits)
    addresses = ClientAddresses(["10.0.0.0/8"])
    return ConnectionLimiter(settings, most, addresses, clock or Clock())


def admitted(limiter: ConnectionLimiter, address: str) -> ConnectionPermit:
    permit = limiter.admit(address)
    assert isinstance(permit, ConnectionPermit), permit
    return permit


def fill(limiter: ConnectionLimiter, address: str) -> list[ConnectionPermit]:
    permits: list[ConnectionPermit] = []
    while isinstance(permit := limiter.admit(address), ConnectionPermit):
        permits.append(permit)
    return permits


def test_connections_of_a_network_are_limited() -> None:
    limiter = connections(per_network=3)
    permits = fill(limiter, "192.0.2.1")
    assert len(permits) == 3
    assert limiter.admit("192.0.2.1") == "network"
    admitted(limiter, "192.0.2.2")
    permits[0].release()
    permits[0].release()
    admitted(limiter, "192.0.2.1")
    assert limiter.admit("192.0.2.1") == "network"


def test_addresses_of_one_ipv6_network_share_a_limit() -> None:
    limiter = connections(per_network=1)
    admitted(limiter, "2001:db8::1")
    assert limiter.admit("2001:db8::2") == "network"
    admitted(limiter, "2001:db8:0:1::1")


def test_authenticated_connection_does_not_count_for_its_network() -> None:
    limiter = connections(per_network=1, per_known_network=1)
    for _ in range(20):
        admitted(limiter, "192.0.2.1").become_known()
    assert (limiter.callers, limiter.anonymous) == (20, 0)


def test_anonymous_connections_leave_a_reserve_for_known_networks() -> None:
    limiter = connections(most=8, reserve=0.25)
    admitted(limiter, "192.0.2.1").become_known()
    others = [admitted(limiter, f"198.51.100.{n}") for n in range(6)]
    assert limiter.admit("198.51.100.9") == "reserve"
    admitted(limiter, "192.0.2.1")
    assert limiter.admit("192.0.2.1") == "total"
    others[0].release()
    admitted(limiter, "192.0.2.1")


def test_connections_of_a_trusted_load_balancer_have_only_the_total_limit() -> None:
    limiter = connections(most=10, per_network=1, reserve=0.5)
    permits = fill(limiter, "10.1.2.3")
    assert len(permits) == 10
    assert limiter.admit("10.1.2.3") == "total"


def test_known_network_expires() -> None:
    clock = Clock()
    limiter = connections(clock=clock, per_network=1, per_known_network=5)
    admitted(limiter, "192.0.2.1").become_known()
    assert len(fill(limiter, "192.0.2.1")) == 5
    clock.now += KNOWN_SECONDS + 1
    assert limiter.admit("192.0.2.1") == "network"


def test_counters_return_to_zero_after_all_releases() -> None:
    limiter = connections()
    permits = [admitted(limiter, f"192.0.2.{n % 7}") for n in range(50)]
    for permit in permits[::2]:
        permit.become_known()
        permit.become_known()
    for permit in permits:
        permit.release()
        permit.become_known()
    assert (limiter.callers, limiter.anonymous, limiter._by_network) == (0, 0, {})


def test_known_networks_of_connections_are_bounded() -> None:
    limiter = connections(most=10)
    for n in range(MOST_KNOWN + 10):
        permit = admitted(limiter, f"198.{n >> 16}.{n >> 8 & 255}.{n & 255}")
        permit.become_known()
        permit.release()
    assert len(limiter._known_networks) == MOST_KNOWN
