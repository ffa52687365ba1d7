"""Tell names that can only be an id or a principal from usernames. Pure.

Users choose their usernames at some issuers, and may choose the text of an id or of a principal. A
name of that form never means a username: otherwise a grant to a user who does not exist yet, or no
longer, would go to the user who has chosen the name.
"""

import re

_USER_ID = re.compile(r"u-[a-z2-7]{10}")
"""The form of the ids of users (``management.identity.users.random_id``)."""


def is_exact(name: str) -> bool:
    """Return whether ``name`` has the form of a user's id or of a principal."""
    return "://" in name or _USER_ID.fullmatch(name) is not None
