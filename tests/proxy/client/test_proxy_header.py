"""The header of the PROXY protocol: what is valid, what is not, and where it ends."""

import ipaddress
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.client.proxy_header import (
    MAX_HEADER_BYTES,
    InvalidHeader,
    ProxyHeader,
    begins_with_header,
    parse_header,
)

SIGNATURE = b"\r\n\r\n\x00\r\nQUIT\n"
PORTS = st.integers(0, 65535)
HELLO = b"\x16\x03\x01\x02\x00\x01"
"""The beginning of a TLS handshake."""


def line(source: object, destination: object, *ports: int) -> bytes:
    family = 4 if ":" not in str(source) else 6
    words = f"PROXY TCP{family} {source} {destination} {' '.join(map(str, ports))}\r\n"
    return words.encode()


def binary(family: int, content: bytes, *, command: int = 0x21) -> bytes:
    return SIGNATURE + struct.pack("!BBH", command, family, len(content)) + content


def of_addresses(source: str, destination: str, extensions: bytes = b"") -> bytes:
    first, second = ipaddress.ip_address(source), ipaddress.ip_address(destination)
    family = 0x11 if first.version == 4 else 0x21
    ports = struct.pack("!HH", 50000, 443)
    return binary(family, first.packed + second.packed + ports + extensions)


@given(st.ip_addresses(), st.data(), st.binary(max_size=40))
def test_header_has_the_clients_address_and_ends_before_what_follows(
    source: ipaddress.IPv4Address | ipaddress.IPv6Address, data: st.DataObject, behind: bytes
) -> None:
    other = data.draw(st.ip_addresses(v=source.version))
    extensions = data.draw(st.binary(max_size=200))
    mapped = getattr(source, "ipv4_mapped", None)
    for header in (
        line(source, other, data.draw(PORTS), data.draw(PORTS)),
        of_addresses(str(source), str(other), extensions),
    ):
        assert parse_header(header + behind) == ProxyHeader(len(header), str(mapped or source))
        assert begins_with_header(header)
        for end in range(len(header)):
            assert parse_header(header[:end]) is None


@pytest.mark.parametrize(
    "header",
    [
        b"PROXY UNKNOWN\r\n",
        b"PROXY UNKNOWN ffff:f...f:ffff ffff:f...f:ffff 65535 65535\r\n",
        binary(0, b"", command=0x20),
        binary(0x11, bytes(12), command=0x20),
        binary(0, b"extensions"),
    ],
)
def test_balancer_may_speak_for_itself(header: bytes) -> None:
    assert parse_header(header + HELLO) == ProxyHeader(len(header), "")


def test_address_of_ipv4_that_is_written_as_ipv6_is_one_of_ipv4() -> None:
    for header in (
        line("::ffff:192.0.2.1", "::1", 1, 2),
        of_addresses("::ffff:192.0.2.1", "::1"),
    ):
        assert parse_header(header) == ProxyHeader(len(header), "192.0.2.1")


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (HELLO, "does not begin"),
        (b"GET / HTTP/1.1\r\n", "does not begin"),
        (b"PROXY\tTCP4", "does not begin"),
        (b"proxy TCP4 ", "does not begin"),
        (b" PROXY ", "does not begin"),
        (SIGNATURE[:11] + b"x", "does not begin"),
        (b"PROXY " + b"x" * 101, "no end"),
        (b"PROXY \r\n", "malformed"),
        (b"PROXY TCP4\r\n", "malformed"),
        (b"PROXY TCP5 192.0.2.1 192.0.2.2 1 2\r\n", "malformed"),
        (b"PROXY UDP4 192.0.2.1 192.0.2.2 1 2\r\n", "malformed"),
        (b"PROXY TCP4 192.0.2.1 192.0.2.2 1\r\n", "malformed"),
        (b"PROXY TCP4 192.0.2.1 192.0.2.2 1 2 3\r\n", "malformed"),
        (b"PROXY TCP4  192.0.2.1 192.0.2.2 1 2\r\n", "malformed"),
        (b"PROXY TCP6 192.0.2.1 192.0.2.2 1 2\r\n", "invalid address"),
        (b"PROXY TCP4 ::1 ::1 1 2\r\n", "invalid address"),
        (b"PROXY TCP4 192.0.2.01 192.0.2.2 1 2\r\n", "invalid address"),
        (b"PROXY TCP4 192.0.2.1 sekisho 1 2\r\n", "invalid address"),
        (b"PROXY TCP4 192.0.2.\xff 192.0.2.2 1 2\r\n", "invalid address"),
        (b"PROXY TCP6 fe80::1%eth0 ::1 1 2\r\n", "invalid address"),
        (b"PROXY TCP4 192.0.2.1 192.0.2.2 65536 2\r\n", "invalid port"),
        (b"PROXY TCP4 192.0.2.1 192.0.2.2 +1 2\r\n", "invalid port"),
        (b"PROXY TCP4 192.0.2.1 192.0.2.2 1_0 2\r\n", "invalid port"),
        (b"PROXY TCP4 192.0.2.1 192.0.2.2 01 2\r\n", "invalid port"),
        (b"PROXY TCP4 192.0.2.1 192.0.2.2 1 -2\r\n", "invalid port"),
        (binary(0x11, bytes(12), command=0x11), "version or command"),
        (binary(0x11, bytes(12), command=0x22), "version or command"),
        (binary(0x11, bytes(11)), "no addresses of TCP"),
        (binary(0x21, bytes(12)), "no addresses of TCP"),
        (binary(0x12, bytes(12)), "no addresses of TCP"),
        (binary(0x31, bytes(216)), "no addresses of TCP"),
        (binary(0x11, bytes(MAX_HEADER_BYTES)), f"more than {MAX_HEADER_BYTES}"),
    ],
)
def test_invalid_header_is_refused_with_its_first_wrong_byte(data: bytes, reason: str) -> None:
    with pytest.raises(InvalidHeader, match=reason):
        parse_header(data)
    with pytest.raises(InvalidHeader, match=reason):
        parse_header(data + HELLO)


@given(
    st.sampled_from([b"", b"PROXY ", b"PROXY TCP4 ", SIGNATURE, SIGNATURE + b"\x21\x11"]),
    st.binary(),
)
def test_any_bytes_are_a_header_or_incomplete_or_refused(beginning: bytes, rest: bytes) -> None:
    data = beginning + rest
    try:
        header = parse_header(data)
    except InvalidHeader:
        return
    if header is None:
        assert len(data) < MAX_HEADER_BYTES
        return
    assert 0 < header.length <= len(data)
    if header.address:
        ipaddress.ip_address(header.address)
    assert parse_header(data[: header.length]) == header
