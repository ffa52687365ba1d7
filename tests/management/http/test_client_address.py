"""From which address a request really came."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from management.client_address import ClientAddresses

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
def test_only_what_a_named_balancer_wrote_is_believed(
    remote: str | None, forwarded_for: list[str], address: str
) -> None:
    assert ClientAddresses(BALANCERS).of(remote, forwarded_for) == address


def test_nobody_is_believed_unless_somebody_was_named() -> None:
    assert ClientAddresses().trusts_nobody
    assert ClientAddresses().of("10.1.2.3", ["6.6.6.6"]) == "10.1.2.3"


@given(st.lists(st.text(max_size=20), max_size=5))
def test_whatever_stands_in_the_line_the_answer_is_an_address(lines: list[str]) -> None:
    import ipaddress

    ipaddress.ip_address(ClientAddresses(BALANCERS).of("10.0.0.1", lines))


def test_what_a_client_made_up_before_its_own_address_changes_nothing() -> None:
    addresses = ClientAddresses(BALANCERS)
    for made_up in ("1.1.1.1", "10.0.0.9", "nonsense", ",,,", "127.0.0.1"):
        assert addresses.of("10.1.2.3", [f"{made_up}, 203.0.113.9"]) == "203.0.113.9"
