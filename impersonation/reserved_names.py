"""Names that only Kubernetes and Sekisho may hand out."""

from collections.abc import Iterable

RESERVED_PREFIXES = ("system:", "sekisho:")


class ReservedName(Exception):
    """A provider named a user or group that means something to Kubernetes or to Sekisho."""

    def __init__(self, name: str) -> None:
        super().__init__(f"the name {name!r} is reserved: no provider may hand it out")
        self.name = name


def refuse_reserved(names: Iterable[str]) -> None:
    """Raise :class:`ReservedName` for the first name that no provider may hand out.

    Compared without regard to case and surrounding white space: Kubernetes compares exactly, but
    what sits between might not.
    """
    for name in names:
        if name.strip().lower().startswith(RESERVED_PREFIXES):
            raise ReservedName(name)
