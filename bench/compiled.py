"""The request path as ``make compiled`` builds it, and whether that is of the source here."""

from pathlib import Path

FOLDER = ".compiled"


def environment(root: Path) -> dict[str, str]:
    """What makes Python take what was built below ``root``; nothing where nothing was built.

    Raises RuntimeError where the source has changed since: it would be older code that is measured.
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
    """Which modules of a build aren't what the source below ``root`` is now."""
    modules = [one.relative_to(built) for one in built.rglob("*.py")]
    return sorted(str(one) for one in modules if _text(built / one) != _text(root / one))


def _text(file: Path) -> bytes:
    """What is in a file; nothing of one that isn't there any more."""
    return file.read_bytes() if file.exists() else b"gone"
