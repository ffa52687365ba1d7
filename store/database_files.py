"""Create SQLite's files."""

import os

from store.errors import StoreUnavailable
from store.locations import Location


def prepare_files(location: Location) -> None:
    """Create SQLite's file with mode 0600; SQLite itself would make it readable for all users."""
    for needed in location.needed:
        if not needed.is_file():
            raise StoreUnavailable(f"{location.shown} is not usable: there is no file {needed}")
    file = location.file
    if file is None or file.exists():
        return
    if not file.parent.is_dir():
        raise StoreUnavailable(
            f"{location.shown} can't be made: the folder {file.parent} doesn't exist"
        )
    try:
        os.close(os.open(file, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
    except FileExistsError:  # another process was quicker
        pass
