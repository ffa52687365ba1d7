"""Kubernetes' protobuf, as much of it as a ConfigMap needs: written by hand, no generated code.

A message is ``k8s\\0`` and a ``runtime.Unknown`` of type and object; a ConfigMap's first field is
its metadata, the second its data.
"""

MEDIA_TYPE = "application/vnd.kubernetes.protobuf"


def config_map(name: str, key: str, value: str) -> bytes:
    """A ConfigMap, ready to be posted."""
    metadata = field(1, name.encode())
    entry = field(1, key.encode()) + field(2, value.encode())
    kind = field(1, b"v1") + field(2, b"ConfigMap")
    return b"k8s\0" + field(1, kind) + field(2, field(1, metadata) + field(2, entry))


def field(number: int, content: bytes) -> bytes:
    """A length-delimited field."""
    return bytes([number << 3 | 2]) + varint(len(content)) + content


def varint(number: int) -> bytes:
    """A number in groups of seven bits, the lowest first."""
    groups = bytearray()
    while number > 0x7F:
        groups.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*groups, number])
