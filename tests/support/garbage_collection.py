"""What is alive, and what of it only the garbage collector would end."""

import gc
from collections.abc import Callable, Iterator
from contextlib import contextmanager


def newborns(*kinds: type) -> Callable[[type], int]:
    """Counts the objects of a type that are made from now on and still alive.

    What other tests have left behind, or hold for those to come, is not counted. Weak references
    would do, but compiled classes take none.
    """
    gc.collect()
    # Held, so that no newborn gets the address of one that has died meanwhile.
    before = {kind: {id(one): one for one in _all_of(kind)} for kind in kinds}

    def living(kind: type) -> int:
        return sum(id(one) not in before[kind] for one in _all_of(kind))

    return living


def _all_of(kind: type) -> list[object]:
    return [one for one in gc.get_objects() if type(one) is kind]


@contextmanager
def uncollected() -> Iterator[None]:
    """Nobody looks for cycles in here, and there are none at its beginning."""
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
