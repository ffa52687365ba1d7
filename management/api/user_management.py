"""Check that a caller acts only on users who hold no more than the caller does.

"Holds" means every grant in every place: global permissions, and roles in clusters and projects,
held by name or through groups. The check runs inside the transaction that acts, so it includes
grants that the other user gains in the meantime.
"""

from management.api.authentication import Caller
from management.authorization.access import access_of
from management.authorization.escalation import exceeding
from management.authorization.role_catalog import RoleCatalog
from management.http.problem import ApiProblem
from management.identity.holdings import holdings_of
from store.interfaces import Store
from store.records import Check, Holdings, User


def within_reach(caller: Caller) -> Check:
    """Return a check for the store that raises ApiProblem with 403 if the user holds more."""

    def check(held: Holdings) -> None:
        theirs = access_of(held.bindings, RoleCatalog(held.roles))
        if exceeding(theirs, caller.access):
            raise ApiProblem(
                403,
                "the user holds grants that you do not hold, in Sekisho, a cluster or a project: "
                "ask an administrator",
            )

    return check


async def require_reach(store: Store, caller: Caller, user: User) -> None:
    """Raise ApiProblem with 403 if the caller may not act on ``user``; oneself is allowed."""
    if user.id == caller.user.id:
        return
    within_reach(caller)(await holdings_of(store, user))


def reach_of(caller: Caller, user_id: str) -> Check | None:
    """Return the check for acting on a user; None for the caller."""
    return None if user_id == caller.user.id else within_reach(caller)
