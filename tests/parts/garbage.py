"""What is alive, and what of it only the garbage collector would end."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager


def living(name: str) -> int:
    """How many objects there are whose type has that name; compiled ones take no weak reference."""
    return sum(type(one).__name__ == name for one in gc.get_objects())


@contextmanager
def uncollected() -> Iterator[None]:
    """Nobody looks for cycles in here, and there are none at its beginning."""
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
