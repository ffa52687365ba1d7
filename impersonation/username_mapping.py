"""The name of a user in a cluster, as the cluster's settings choose it. Pure."""

from typing import Literal


def username_for_cluster(
    kind: Literal["id", "principal", "username"],
    *,
    user_id: str,
    principal_id: str,
    provider: str,
    username: str,
) -> str:
    """Return the user name for RBAC subjects and ``Impersonate-User``.

    ``username`` gets the provider's name as a prefix: "alice" at GitHub is not "alice" in AD.
    """
    if kind == "principal":
        return principal_id
    if kind == "username":
        return f"{provider}:{username}"
    return user_id
