"""The header of the PROXY protocol, versions 1 and 2: the address of a load balancer's client.

A balancer that passes TLS through sends it before the client's first byte. See
https://www.haproxy.org/download/2.8/doc/proxy-protocol.txt. Pure.
"""

import ipaddress
import re
import struct
from dataclasses import dataclass

MAX_HEADER_BYTES = 2048
"""Largest header. Version 2 has extensions of any kind, which are skipped."""

_SIGNATURE = b"\r\n\r\n\x00\r\nQUIT\n"
_WORD = b"PROXY "
_MAX_LINE = 107
"""Largest line of version 1, by the specification."""

_PREFIX = struct.Struct("!BBH")
_PREFIX_BYTES = len(_SIGNATURE) + _PREFIX.size
_LOCAL, _PROXY = 0, 1
_UNKNOWN = 0
_ADDRESSES = {0x11: (4, 12), 0x21: (16, 36)}
"""Bytes of an address, and of all addresses and ports: TCP over IPv4, and over IPv6."""

_VERSIONS = {b"TCP4": 4, b"TCP6": 6}
_PORT = re.compile(rb"0|[1-9][0-9]{0,4}")
_MAX_PORT = 65535


class InvalidHeader(ValueError):
    """The bytes are no header of the PROXY protocol, or one that Sekisho doesn't support."""


@dataclass(frozen=True, slots=True)
class ProxyHeader:
    """A complete header of ``length`` bytes.

    ``address`` is the client's. It is empty if the balancer speaks for itself, as in a health
    check, or knows no address.
    """

    length: int
    address: str


def parse_header(data: bytes) -> ProxyHeader | None:
    """Return the header at the beginning of ``data``; None if it is not complete yet.

    Whatever follows the header is ignored. Raises InvalidHeader.
    """
    if data.startswith(_SIGNATURE):
        return _binary(data)
    if data.startswith(_WORD):
        return _line(data)
    if _SIGNATURE.startswith(data) or _WORD.startswith(data):
        return None
    raise InvalidHeader("it does not begin with a header of the PROXY protocol")


def begins_with_header(data: bytes) -> bool:
    """Return whether these bytes of a client are the beginning of a header."""
    return data.startswith((_SIGNATURE, _WORD))


def _line(data: bytes) -> ProxyHeader | None:
    """Parse version 1: ``PROXY TCP4 192.0.2.1 192.0.2.9 50000 443``."""
    end = data.find(b"\r\n", 0, _MAX_LINE)
    if end < 0:
        if len(data) >= _MAX_LINE:
            raise InvalidHeader("its line has no end")
        return None
    words = data[:end].split(b" ")
    if words[1] == b"UNKNOWN":
        return ProxyHeader(end + 2, "")
    version = _VERSIONS.get(words[1])
    if version is None or len(words) != 6:
        raise InvalidHeader("its line is malformed")
    source, _ = _address(words[2], version), _address(words[3], version)
    for port in words[4:]:
        if not _PORT.fullmatch(port) or int(port) > _MAX_PORT:
            raise InvalidHeader("its line has an invalid port")
    return ProxyHeader(end + 2, source)


def _address(word: bytes, version: int) -> str:
    try:
        parsed = ipaddress.ip_address(word.decode("ascii"))
    except ValueError:
        raise InvalidHeader("its line has an invalid address") from None
    if parsed.version != version or b"%" in word:
        raise InvalidHeader("its line has an invalid address")
    return _shown(parsed)


def _binary(data: bytes) -> ProxyHeader | None:
    """Parse version 2."""
    if len(data) < _PREFIX_BYTES:
        return None
    command, family, size = _PREFIX.unpack_from(data, len(_SIGNATURE))
    if command >> 4 != 2 or command & 15 not in {_LOCAL, _PROXY}:
        raise InvalidHeader("it has an unknown version or command")
    length = _PREFIX_BYTES + size
    if length > MAX_HEADER_BYTES:
        raise InvalidHeader(f"it has more than {MAX_HEADER_BYTES} bytes")
    known = command & 15 == _PROXY and family != _UNKNOWN
    if known and (family not in _ADDRESSES or size < _ADDRESSES[family][1]):
        raise InvalidHeader("it has no addresses of TCP")
    if len(data) < length:
        return None
    if not known:
        return ProxyHeader(length, "")
    end = _PREFIX_BYTES + _ADDRESSES[family][0]
    return ProxyHeader(length, _shown(ipaddress.ip_address(data[_PREFIX_BYTES:end])))


def _shown(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> str:
    """Return an address as text; one of IPv4 that is written as IPv6, as IPv4."""
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return str(mapped or address)
