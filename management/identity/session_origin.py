"""Describe where a session began, so that its user can recognize it. Pure.

Only the kind of the program, the system, and the address are kept, in the session's description and
as long as the session: enough to recognize a sign-in, and no fingerprint of a browser.
"""

MAX_CHARACTERS = 1024
"""Characters of a User-Agent that are examined."""

_PROGRAMS = (
    # Browsers name the browsers that they resemble as well, so the order matters.
    ("sekisho", "command line"),
    ("aiohttp/", "command line"),
    ("Edg", "Edge"),
    ("OPR/", "Opera"),
    ("Firefox/", "Firefox"),
    ("Chrome/", "Chrome"),
    ("Chromium/", "Chromium"),
    ("Safari/", "Safari"),
    ("curl/", "curl"),
)
_SYSTEMS = (
    ("Android", "Android"),
    ("iPhone", "iOS"),
    ("iPad", "iPadOS"),
    ("Windows", "Windows"),
    ("Mac", "macOS"),
    ("CrOS", "ChromeOS"),
    ("Linux", "Linux"),
)


def describe_origin(user_agent: str, address: str) -> str:
    """Return one line such as ``Firefox on Linux at 192.0.2.7``; never text of the client."""
    text = user_agent[:MAX_CHARACTERS]
    program = next((name for part, name in _PROGRAMS if part in text), "sign-in")
    system = next((name for part, name in _SYSTEMS if part in text), None)
    return f"{program} on {system} at {address}" if system else f"{program} at {address}"
