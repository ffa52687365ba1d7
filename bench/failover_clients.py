"""The clients of bench.failover: a Go program (bench/go/failover), and what they reported."""

import json
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.failover_stand import CLUSTER, OBJECT, Stand
from bench.servers import Workshop
from tests.support.sekisho import PASSWORD

ROOT = f"/k8s/clusters/{CLUSTER}"
WATCH = OBJECT.rpartition("/")[0] + "?watch=1&fieldSelector=metadata.name%3Dbeat"


@dataclass(frozen=True, slots=True)
class Event:
    """What a client saw. Times are seconds since 1970.

    ``get`` and ``sign-in``: from when it was due until its response or failure, with the result of
    the second attempt if the first one failed. ``watch``: from a watch's end until the first event
    of the next one. ``silence``: a watch without an event.
    """

    kind: str
    start: float
    end: float
    result: str = ""
    retry: str = ""


def parsed(lines: Sequence[str]) -> list[Event]:
    """Return the events that the program wrote."""
    found = []
    for line in lines:
        one = json.loads(line)
        found.append(
            Event(one["kind"], one["from"], one["to"], one.get("result", ""), one.get("retry", ""))
        )
    return found


@contextmanager
def clients(shop: Workshop, stand: Stand, rate: float, watches: int) -> Iterator[Path]:
    """Run the clients inside the ``with`` block. Yields the file with what they report."""
    report = shop.folder / "events"
    command = [
        *(f"{shop.folder}/failover", "-url", stand.url, "-ca", str(stand.ca)),
        *("-object", ROOT + OBJECT, "-watch", ROOT + WATCH),
        *("-rate", f"{rate:g}", "-watches", str(watches)),
        *("-user", "user-0", "-password", PASSWORD),
    ]
    with report.open("w") as out:
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=out, text=True)
        assert process.stdin is not None
        try:
            process.stdin.write("\n".join(stand.tokens) + "\n\n")
            process.stdin.flush()
            yield report
            if process.poll() is not None:
                raise RuntimeError(f"the clients ended with {process.returncode}")
        finally:
            process.stdin.close()
            process.wait(30)
