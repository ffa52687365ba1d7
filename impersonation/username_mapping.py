"""By which name a cluster knows a user: a choice of the cluster's operator."""

from typing import Literal


def subject_name(
    kind: Literal["id", "principal", "username"],
    *,
    user_id: str,
    principal_id: str,
    provider: str,
    username: str,
) -> str:
    """The user name in RBAC subjects and in ``Impersonate-User``.

    ``username`` is prefixed with the provider's name: alice at GitHub is not alice in AD.
    """
    if kind == "principal":
        return principal_id
    if kind == "username":
        return f"{provider}:{username}"
    return user_id
