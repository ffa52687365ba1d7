"""Validate a directory's messages against RFC 4511. Pure.

ldap3 decodes leniently: it reads an empty result code, or one that is a BOOLEAN, as 0, and 0 means
success. A message that decides about authentication must not be read like that. Each message is
validated here before ldap3 decodes it.
"""

from collections.abc import Iterator

INTEGER, OCTETS, ENUMERATED, SEQUENCE, SET = 0x02, 0x04, 0x0A, 0x30, 0x31
BIND_RESPONSE, ENTRY, DONE, EXTENDED_RESPONSE = 0x61, 0x64, 0x65, 0x78
CONTROLS = 0xA0

Element = tuple[int, int, int]
"""Tag, and start and end of the content."""


class MalformedMessage(ValueError):
    """The bytes are not a valid LDAP message. The error's text quotes nothing from them."""


def message_size(head: bytes) -> int | None:
    """Return the size of the message that begins with ``head``; None if ``head`` is too short.

    Raises:
        MalformedMessage: the bytes are not the beginning of a message.
    """
    if len(head) < 2:
        return None
    if head[0] != SEQUENCE:
        raise MalformedMessage("not a message")
    length = head[1]
    if length < 0x80:
        return 2 + length
    count = length & 0x7F
    if not 1 <= count <= 4:
        raise MalformedMessage("a length is not valid")
    if len(head) < 2 + count:
        return None
    return 2 + count + int.from_bytes(head[2 : 2 + count], "big")


def check_message(raw: bytes) -> bytes:
    """Return ``raw`` if it is exactly one valid LDAPMessage. Raises MalformedMessage."""
    parts = list(_elements(raw, *_only(raw, 0, len(raw), SEQUENCE)))
    if len(parts) not in (2, 3) or (len(parts) == 3 and parts[2][0] != CONTROLS):
        raise MalformedMessage("not an id, an operation and optional controls")
    _sized(parts[0], INTEGER, 1, 4)
    operation, start, stop = parts[1]
    if operation in (BIND_RESPONSE, DONE, EXTENDED_RESPONSE):
        _check_result(raw, start, stop)
    elif operation == ENTRY:
        _check_entry(raw, start, stop)
    return raw


def _check_result(raw: bytes, start: int, stop: int) -> None:
    """Check an LDAPResult (RFC 4511 §4.1.9): resultCode, matchedDN, diagnosticMessage, and more."""
    parts = list(_elements(raw, start, stop))
    if len(parts) < 3:
        raise MalformedMessage("a result is too short")
    _sized(parts[0], ENUMERATED, 1, 2)
    _tagged(parts[1], OCTETS)
    _tagged(parts[2], OCTETS)


def _check_entry(raw: bytes, start: int, stop: int) -> None:
    """Check a SearchResultEntry (RFC 4511 §4.5.2): a name, and attributes with values."""
    parts = list(_elements(raw, start, stop))
    if len(parts) != 2:
        raise MalformedMessage("an entry is not a name and attributes")
    _tagged(parts[0], OCTETS)
    _tagged(parts[1], SEQUENCE)
    for attribute in _elements(raw, *parts[1][1:]):
        _tagged(attribute, SEQUENCE)
        pair = list(_elements(raw, *attribute[1:]))
        if len(pair) != 2:
            raise MalformedMessage("an attribute is not a name and values")
        _tagged(pair[0], OCTETS)
        _tagged(pair[1], SET)
        for value in _elements(raw, *pair[1][1:]):
            _tagged(value, OCTETS)


def _elements(raw: bytes, start: int, stop: int) -> Iterator[Element]:
    """Yield the elements between two positions. No element may extend beyond ``stop``."""
    while start < stop:
        if start + 2 > stop:
            raise MalformedMessage("an element is truncated")
        tag, length = raw[start], raw[start + 1]
        start += 2
        if length & 0x80:
            count = length & 0x7F
            if not 1 <= count <= 4 or start + count > stop:
                raise MalformedMessage("a length is not valid")
            length = int.from_bytes(raw[start : start + count], "big")
            start += count
        if start + length > stop:
            raise MalformedMessage("an element is longer than its container")
        yield tag, start, start + length
        start += length


def _only(raw: bytes, start: int, stop: int, tag: int) -> tuple[int, int]:
    """Return start and end of the only element's content."""
    found = list(_elements(raw, start, stop))
    if len(found) != 1:
        raise MalformedMessage("not one element")
    _tagged(found[0], tag)
    return found[0][1], found[0][2]


def _tagged(element: Element, tag: int) -> None:
    if element[0] != tag:
        raise MalformedMessage(f"the tag is {element[0]:#04x} instead of {tag:#04x}")


def _sized(element: Element, tag: int, least: int, most: int) -> None:
    _tagged(element, tag)
    if not least <= element[2] - element[1] <= most:
        raise MalformedMessage("a number is too short or too long")
