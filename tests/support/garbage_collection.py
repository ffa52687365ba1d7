"""Detect objects that only the garbage collector frees."""

import gc
from collections.abc import Callable, Iterator
from contextlib import contextmanager


def count_new_instances(*kinds: type) -> Callable[[type], int]:
    """Return a function that counts live instances of a type created from now on.

    Objects that other tests left behind are not counted. Weak references would be simpler, but
    compiled classes do not support them.
    """
    gc.collect()
    # Keep references, so that no new object gets the address of a freed one.
    before = {kind: {id(one): one for one in _all_of(kind)} for kind in kinds}

    def living(kind: type) -> int:
        return sum(id(one) not in before[kind] for one in _all_of(kind))

    return living


def _all_of(kind: type) -> list[object]:
    return [one for one in gc.get_objects() if type(one) is kind]


@contextmanager
def garbage_collection_disabled() -> Iterator[None]:
    """Collect garbage, then disable the collector inside the ``with`` block."""
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
