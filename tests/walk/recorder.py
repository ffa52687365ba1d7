"""Run a Python module and record the calls that it makes for each request.

    python tests/walk/recorder.py RECORDING python -m proxy serve

A recording has one line of JSON for each request: the list of its calls, each as the caller and the
callee, as ``<path>:<function>``. The caller is the nearest function of the same tree, or "" if the
event loop made the call. The recorder knows no name of the code that it records, so it also records
older versions: start it in their folder.
"""

import json
import runpy
import sys
from pathlib import Path
from types import CodeType, FrameType
from typing import IO

Call = tuple[str, str]
"""Caller and callee."""


class Recorder:
    """Records calls of functions in files below ``root``, except tests and constructors.

    A request begins when the event loop passes bytes from a client to a ``data_received``.
    """

    def __init__(self, root: Path, recording: IO[str]) -> None:
        self._root = f"{root}/"
        self._recording = recording
        self._names: dict[CodeType, str] = {}
        self._calls: list[Call] | None = None

    def __call__(self, frame: FrameType, event: str, argument: object) -> None:
        """Handle an event of ``sys.setprofile``."""
        if event != "call" or not (callee := self._name(frame.f_code)) or _resumes(frame):
            return
        caller = self._caller(frame)
        if not caller and callee.endswith(":data_received") and "upstream" not in callee:
            self._flush()
            self._calls = []
        if self._calls is not None and not callee.endswith(":__init__"):
            self._calls.append((caller, callee))

    def _flush(self) -> None:
        if self._calls is not None:
            self._recording.write(json.dumps(self._calls) + "\n")
            self._recording.flush()

    def _name(self, code: CodeType) -> str:
        """Return ``<path>:<function>``, or "" for code that is not part of the tree."""
        name = self._names.get(code)
        if name is None:
            path = code.co_filename.removeprefix(self._root)
            inside = path != code.co_filename and not path.startswith(("tests/", "."))
            name = self._names[code] = f"{path}:{code.co_name}" if inside else ""
        return name

    def _caller(self, frame: FrameType) -> str:
        outer = frame.f_back
        while outer is not None:
            name = self._name(outer.f_code)
            if name or "/asyncio/" in outer.f_code.co_filename:
                return name
            outer = outer.f_back
        return ""


def _resumes(frame: FrameType) -> bool:
    """Return whether a coroutine or generator continues, which is not a call.

    The argument of the RESUME instruction, at which the frame is, is 0 where a function begins.
    """
    return frame.f_code.co_code[frame.f_lasti + 1] & 3 != 0


if __name__ == "__main__":
    _, target, _, _, module, *arguments = sys.argv
    sys.argv = [module, *arguments]
    sys.path[0] = str(Path.cwd())
    with Path(target).open("w") as file:
        sys.setprofile(Recorder(Path.cwd(), file))
        runpy.run_module(module, run_name="__main__", alter_sys=True)
