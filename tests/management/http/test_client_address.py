"""The client's address behind load balancers."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from management.http.client_address import ClientAddresses

BALANCERS = ("10.0.0.0/8", "2001:db8::1")


@pytest.mark.parametrize(
    ("remote", "forwarded_for", "address"),
    [
        ("10.1.2.3", ["203.0.113.9"], "203.0.113.9"),
        ("10.1.2.3", ["6.6.6.6, 203.0.113.9"], "203.0.113.9"),
        ("10.1.2.3", ["6.6.6.6", "203.0.113.9, 10.9.9.9"], "203.0.113.9"),
        ("2001:db8::1", ["203.0.113.9"], "203.0.113.9"),
        ("::ffff:10.1.2.3", ["203.0.113.9"], "203.0.113.9"),
        ("10.1.2.3", ["2001:db8::77"], "2001:db8::77"),
        ("10.1.2.3", [], "10.1.2.3"),
        ("10.1.2.3", ["10.7.7.7"], "10.7.7.7"),
        ("10.1.2.3", ["203.0.113.9, unknown"], "10.1.2.3"),
        ("10.1.2.3", ["<script>"], "10.1.2.3"),
        ("203.0.113.1", ["6.6.6.6"], "203.0.113.1"),
        (None, ["6.6.6.6"], ""),
    ],
)
def test_forwarded_addresses_are_trusted_only_from_configured_balancers(
    remote: str | None, forwarded_for: list[str], address: str
) -> None:
    assert ClientAddresses(BALANCERS).of(remote, forwarded_for) == address


def test_forwarded_addresses_are_ignored_without_configured_balancers() -> None:
    assert ClientAddresses().trusts_no_proxy
    assert ClientAddresses().of("10.1.2.3", ["6.6.6.6"]) == "10.1.2.3"


@given(st.lists(st.text(max_size=20), max_size=5))
def test_result_is_an_address_for_any_header(lines: list[str]) -> None:
    import ipaddress

    ipaddress.ip_address(ClientAddresses(BALANCERS).of("10.0.0.1", lines))


def test_forged_hops_before_the_clients_address_change_nothing() -> None:
    addresses = ClientAddresses(BALANCERS)
    for made_up in ("1.1.1.1", "10.0.0.9", "nonsense", ",,,", "127.0.0.1"):
        assert addresses.of("10.1.2.3", [f"{made_up}, 203.0.113.9"]) == "203.0.113.9"
