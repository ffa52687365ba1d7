"""Describe a wrong clock. Pure."""

from datetime import timedelta


def clock_warning(offset: timedelta) -> str:
    """Return a warning that the server's clock is ``offset`` ahead of this machine's."""
    seconds = abs(int(offset.total_seconds()))
    size = (
        f"{seconds // 3600} h {seconds % 3600 // 60} min"
        if seconds >= 3600
        else (f"{seconds // 60} min")
    )
    where = "behind" if offset > timedelta(0) else "ahead of"
    return f"this machine's clock is {size} {where} the server's: set it right"
