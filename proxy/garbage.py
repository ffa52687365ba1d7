"""When the garbage collector looks: not during a start, and then not at what stays for good.

Nearly everything here is freed by counting references; the collector is for cycles only, and stops
every request while it looks. After a start it would look, now and then, at 120,000 objects
(modules, routes, tables, models) of which none is ever garbage: a tenth of a second each time. See
docs/decisions/0023-start-up.md for what was measured.
"""

import gc

THRESHOLDS = (5_000, 10, 5)
"""New objects after which the youngest are looked at (0.2 ms); then Python's own ways.

Of Python's own 700, most are parts of requests under way: looked at, they are kept, and counted
among the old that make a full collection due. Far more would let cycles that hold sockets wait.
"""


def hold_off() -> None:
    """Collect nothing while the program is put together: all of it stays."""
    gc.disable()


def settle() -> None:
    """What is there now stays for good, and is never looked at again; collect from now on."""
    gc.freeze()
    gc.set_threshold(*THRESHOLDS)
    gc.enable()
