"""Programs that the benchmark needs, and how to install them."""

import shutil
import subprocess

GO = (1, 22)


def missing(*, wrk: bool = True) -> list[str]:
    """Return what to install first, as messages for the user. ``wrk``: it is used."""
    found = []
    if wrk and shutil.which("wrk") is None:
        found.append("wrk; on Debian and Ubuntu: apt-get install wrk")
    if (go := shutil.which("go")) is None:
        found.append(f"Go {_dotted(GO)} or newer: https://go.dev/dl, or a recent golang-go package")
    else:
        said = subprocess.run([go, "version"], capture_output=True, text=True, check=False).stdout
        if go_version(said) < GO:
            found.append(f"Go {_dotted(GO)} or newer: https://go.dev/dl; here is {said.strip()}")
    return found


def go_version(said: str) -> tuple[int, ...]:
    """Return the release in the output of ``go version``; development versions are newest."""
    words = said.split()
    release = words[2].removeprefix("go") if len(words) > 2 else "0"
    numbers = release.split(".")[:2]
    return tuple(map(int, numbers)) if all(map(str.isdigit, numbers)) else (99,)


def _dotted(version: tuple[int, ...]) -> str:
    return ".".join(map(str, version))
