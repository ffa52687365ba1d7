"""How kubectl can run this program, wherever its ``PATH`` leads."""

import shutil
import sys
from pathlib import Path

from proxy.cli.kubeconfig.entries import Command

_NAMES = ("sekisho", "sekisho.exe")


def this_program(argument: str, executable: str = sys.executable) -> Command:
    """Return the command for the program that was started as ``argument`` (``sys.argv[0]``).

    A symbolic link is not resolved: that of pipx stays when the program is upgraded.
    """
    found = shutil.which(argument) or argument
    path = Path(found).absolute()
    if path.suffix == ".pyz":
        return Command(executable, (str(path),))
    names = (path, *(path.with_name(one) for one in _NAMES))
    if path.name in _NAMES or path.stem == "kubectl-sekisho":
        for one in names:
            if one.name in _NAMES and one.exists():
                return Command(str(one))
    beside = Path(executable).with_name("sekisho.exe" if sys.platform == "win32" else "sekisho")
    if beside.exists():
        return Command(str(beside))
    return Command(executable, ("-P", "-m", "proxy"))
