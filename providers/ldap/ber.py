"""Whether an answer of a directory is what RFC 4511 says it is. Pure.

ldap3 decodes leniently: a result code without a byte, or one that is a BOOLEAN, is 0 to it, and 0
is success. An answer that decides who somebody is must not be read like that, so each is looked at
here before ldap3 gets it.
"""

from collections.abc import Iterator

INTEGER, OCTETS, ENUMERATED, SEQUENCE, SET = 0x02, 0x04, 0x0A, 0x30, 0x31
BIND_RESPONSE, ENTRY, DONE, EXTENDED_RESPONSE = 0x61, 0x64, 0x65, 0x78
CONTROLS = 0xA0

Element = tuple[int, int, int]
"""Tag, and where the content begins and ends."""


class Malformed(ValueError):
    """Not an LDAP message. The message says what is wrong, and quotes nothing."""


def message_size(head: bytes) -> int | None:
    """How many bytes the message has that begins so, or None where that needs more of it.

    Raises Malformed where it can't be a message.
    """
    if len(head) < 2:
        return None
    if head[0] != SEQUENCE:
        raise Malformed("not a message")
    length = head[1]
    if length < 0x80:
        return 2 + length
    count = length & 0x7F
    if not 1 <= count <= 4:
        raise Malformed("a length is odd")
    if len(head) < 2 + count:
        return None
    return 2 + count + int.from_bytes(head[2 : 2 + count], "big")


def check_message(raw: bytes) -> bytes:
    """``raw``, which is exactly one LDAPMessage, well formed. Raises Malformed."""
    parts = list(_elements(raw, *_only(raw, 0, len(raw), SEQUENCE)))
    if len(parts) not in (2, 3) or (len(parts) == 3 and parts[2][0] != CONTROLS):
        raise Malformed("not a number, an operation and perhaps controls")
    _sized(parts[0], INTEGER, 1, 4)
    operation, start, stop = parts[1]
    if operation in (BIND_RESPONSE, DONE, EXTENDED_RESPONSE):
        _check_result(raw, start, stop)
    elif operation == ENTRY:
        _check_entry(raw, start, stop)
    return raw


def _check_result(raw: bytes, start: int, stop: int) -> None:
    """LDAPResult (RFC 4511 §4.1.9): resultCode, matchedDN, diagnosticMessage, and more."""
    parts = list(_elements(raw, start, stop))
    if len(parts) < 3:
        raise Malformed("a result is too short")
    _sized(parts[0], ENUMERATED, 1, 2)
    _tagged(parts[1], OCTETS)
    _tagged(parts[2], OCTETS)


def _check_entry(raw: bytes, start: int, stop: int) -> None:
    """SearchResultEntry (RFC 4511 §4.5.2): a name, and attributes with their values."""
    parts = list(_elements(raw, start, stop))
    if len(parts) != 2:
        raise Malformed("an entry is not a name and attributes")
    _tagged(parts[0], OCTETS)
    _tagged(parts[1], SEQUENCE)
    for attribute in _elements(raw, *parts[1][1:]):
        _tagged(attribute, SEQUENCE)
        pair = list(_elements(raw, *attribute[1:]))
        if len(pair) != 2:
            raise Malformed("an attribute is not a name and values")
        _tagged(pair[0], OCTETS)
        _tagged(pair[1], SET)
        for value in _elements(raw, *pair[1][1:]):
            _tagged(value, OCTETS)


def _elements(raw: bytes, start: int, stop: int) -> Iterator[Element]:
    """The elements between two places, none of which may go beyond."""
    while start < stop:
        if start + 2 > stop:
            raise Malformed("an element is cut short")
        tag, length = raw[start], raw[start + 1]
        start += 2
        if length & 0x80:
            count = length & 0x7F
            if not 1 <= count <= 4 or start + count > stop:
                raise Malformed("a length is odd")
            length = int.from_bytes(raw[start : start + count], "big")
            start += count
        if start + length > stop:
            raise Malformed("an element is longer than what it is in")
        yield tag, start, start + length
        start += length


def _only(raw: bytes, start: int, stop: int, tag: int) -> tuple[int, int]:
    """The content of the one element that there is."""
    found = list(_elements(raw, start, stop))
    if len(found) != 1:
        raise Malformed("not one element")
    _tagged(found[0], tag)
    return found[0][1], found[0][2]


def _tagged(element: Element, tag: int) -> None:
    if element[0] != tag:
        raise Malformed(f"a {element[0]:#04x} where a {tag:#04x} should be")


def _sized(element: Element, tag: int, least: int, most: int) -> None:
    _tagged(element, tag)
    if not least <= element[2] - element[1] <= most:
        raise Malformed("a number is too short or too long")
