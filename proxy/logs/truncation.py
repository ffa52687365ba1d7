"""Cut text from callers, whose length is not limited, before it is logged. Pure."""


def cut(text: str, most: int) -> str:
    """Return ``text``, or its first ``most`` characters with a mark that has the length."""
    return text if len(text) <= most else f"{text[:most]}{mark(text)}"


def mark(text: str) -> str:
    """Return the mark that follows the beginning of a cut text."""
    return f"…[cut: {len(text)} characters]"
