"""What is alive, and what of it only the garbage collector would end."""

import gc
from collections.abc import Callable, Iterator
from contextlib import contextmanager


def newborns(*types: str) -> Callable[[str], int]:
    """How many objects of a type are alive that aren't yet, by the type's full name.

    What other tests have left behind, or hold for those to come, is not counted. By name, because
    compiled classes take no weak reference, and uvloop doesn't export its own.
    """
    gc.collect()
    # Held, so that no newborn gets the address of one that has died meanwhile.
    before = {name: {id(one): one for one in _all_of(name)} for name in types}

    def living(name: str) -> int:
        return sum(id(one) not in before[name] for one in _all_of(name))

    return living


def _all_of(name: str) -> list[object]:
    return [one for one in gc.get_objects() if _full_name(type(one)) == name]


def _full_name(kind: type) -> str:
    return f"{kind.__module__}.{kind.__qualname__}"


@contextmanager
def uncollected() -> Iterator[None]:
    """Nobody looks for cycles in here, and there are none at its beginning."""
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
