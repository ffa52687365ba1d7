"""Make the text of a log safe for a terminal. Pure.

A program that writes a log could otherwise move the cursor, change the window's title, or type into
the terminal of its reader. Colours are kept.
"""

import codecs
import re

RESET = "\x1b[0m"

_COLOUR = r"\x1b\[[0-9;]{0,32}m"
"""Select Graphic Rendition (ECMA-48 §8.3.117), which only changes how text looks."""

_UNUSUAL = re.compile(rf"{_COLOUR}|[^\n\t\x20-\x7e]")
_BEGUN = re.compile(r"\x1b(?:\[[0-9;]{0,32})?\Z")


class TerminalText:
    """Turn the pieces of a log into text. A piece may end inside a character or a colour."""

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._begun = ""
        self.coloured = False
        """Whether a colour was printed."""

    def feed(self, piece: bytes) -> str:
        """Return what can be printed of a piece and of what was kept from those before."""
        text = self._begun + self._decoder.decode(piece)
        begun = _BEGUN.search(text, max(0, len(text) - 40))
        self._begun = begun[0] if begun is not None else ""
        return _UNUSUAL.sub(self._shown, text[: len(text) - len(self._begun)])

    def end(self) -> str:
        """Return the rest, and the end of a colour."""
        rest = self._begun + self._decoder.decode(b"", final=True)
        self._begun = ""
        return _UNUSUAL.sub(self._shown, rest) + (RESET if self.coloured else "")

    def _shown(self, found: re.Match[str]) -> str:
        text = found[0]
        if len(text) > 1:
            self.coloured = True
            return text
        if text == "\r":
            return ""
        return text if text.isprintable() else "\ufffd"
