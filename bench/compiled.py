"""The compiled request path from ``make compiled``, and whether it matches the source."""

from pathlib import Path

FOLDER = ".compiled"


def environment(root: Path) -> dict[str, str]:
    """Return the variables that select the build below ``root``; empty without a build.

    Raises RuntimeError where the source has changed since: older code would be measured.
    """
    built = root / FOLDER
    if not built.is_dir():
        return {}
    if stale := changed_since(built, root):
        raise RuntimeError(
            f"{stale[0]} has changed since {FOLDER} was built; run: make compiled (or remove it)"
        )
    return {"PYTHONPATH": str(built), "PYTHONSAFEPATH": "1"}


def changed_since(built: Path, root: Path) -> list[str]:
    """Return the modules of a build that differ from the source below ``root``."""
    modules = [one.relative_to(built) for one in built.rglob("*.py")]
    return sorted(str(one) for one in modules if _text(built / one) != _text(root / one))


def _text(file: Path) -> bytes:
    """Return a file's content; empty if the file does not exist."""
    return file.read_bytes() if file.exists() else b"gone"
