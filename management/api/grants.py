"""What a caller may grant, take away, or put into a role: only what the caller holds.

The checks raise what a refused request gets. :func:`denial` returns the same sentence for objects
that are shown, so that a client need not offer what the API refuses.
"""

from collections.abc import Callable

from management.api.authentication import Caller
from management.authorization.escalation import lacking_for
from management.authorization.role_catalog import RoleCatalog
from management.http.problem import ApiProblem
from store.access_records import Role


def denial(check: Callable[[], None]) -> str | None:
    """Return why a check refuses, as a sentence for the caller; None if it does not."""
    try:
        check()
    except ApiProblem as problem:
        return problem.detail
    return None


def require_may_grant(
    caller: Caller,
    role: Role,
    catalog: RoleCatalog,
    *,
    cluster_id: str | None = None,
    project_id: str | None = None,
) -> None:
    """Raise ApiProblem with 403 unless the caller holds all that the role grants there."""
    missing = lacking_for(
        role, catalog, caller.access, cluster_id=cluster_id, project_id=project_id
    )
    if missing:
        raise ApiProblem(
            403, f"you may grant only what you hold; you lack: {', '.join(missing[:5])}"
        )


def require_may_take(
    caller: Caller,
    role_id: str,
    catalog: RoleCatalog,
    *,
    cluster_id: str | None = None,
    project_id: str | None = None,
) -> None:
    """Raise ApiProblem with 403 unless the caller may grant a role; one that is gone may be taken.

    A caller takes away only what the caller may grant.
    """
    role = catalog.get(role_id)
    if role is not None:
        require_may_grant(caller, role, catalog, cluster_id=cluster_id, project_id=project_id)


def require_all_of(role: Role, catalog: RoleCatalog, caller: Caller) -> None:
    """Raise ApiProblem with 403 unless the caller holds all that a role grants, everywhere.

    A role may be bound in any place, so its grants must be held in every place.
    """
    missing = lacking_for(role, catalog, caller.access)
    if missing:
        raise ApiProblem(
            403,
            f"a role may have only what you hold everywhere; you lack: {', '.join(missing[:5])}",
        )
