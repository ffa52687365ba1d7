"""What the build of an image recorded: the commit, and the time."""

import json
from datetime import UTC, datetime
from pathlib import Path

ORIGIN = Path(__file__).parents[1] / "proxy" / "build.json"
"""Written by the image's build: the commit, and its time in seconds since the epoch."""


def build_origin(file: Path = ORIGIN) -> dict[str, str]:
    """Return the commit and the time of the build; nothing if the build did not record them."""
    if not file.exists():
        return {}
    recorded = json.loads(file.read_text())
    if not recorded["commit"]:
        return {}
    origin = {"commit": str(recorded["commit"])}
    if recorded["epoch"]:
        built = datetime.fromtimestamp(int(recorded["epoch"]), UTC)
        origin["built"] = built.isoformat().replace("+00:00", "Z")
    return origin
