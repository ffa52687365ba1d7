"""Permissions of test folders."""

import tempfile
from pathlib import Path


def make_world_readable(folder: Path) -> None:
    """Make ``folder`` and pytest's folders above it readable for other users of the machine."""
    outermost = Path(tempfile.gettempdir())
    for one in (folder, *folder.parents):
        if one == outermost or outermost not in one.parents:
            break
        one.chmod(0o755)
