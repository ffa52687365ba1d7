"""Encode a ConfigMap in Kubernetes' protobuf format, without generated code.

A message is ``k8s\\0`` and a ``runtime.Unknown`` with type and object. The first field of a
ConfigMap is its metadata, the second its data.
"""

MEDIA_TYPE = "application/vnd.kubernetes.protobuf"


def config_map(name: str, key: str, value: str) -> bytes:
    """Return an encoded ConfigMap."""
    metadata = field(1, name.encode())
    entry = field(1, key.encode()) + field(2, value.encode())
    kind = field(1, b"v1") + field(2, b"ConfigMap")
    return b"k8s\0" + field(1, kind) + field(2, field(1, metadata) + field(2, entry))


def field(number: int, content: bytes) -> bytes:
    """Return a length-delimited field."""
    return bytes([number << 3 | 2]) + varint(len(content)) + content


def varint(number: int) -> bytes:
    """Return a number in groups of seven bits, lowest first."""
    groups = bytearray()
    while number > 0x7F:
        groups.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*groups, number])
