"""Map the errors of orders to problem details, in one place."""

from collections.abc import Iterator
from contextlib import contextmanager

from management.http.problem import ApiProblem
from management.provisioning.class_catalog import EngineAway
from management.provisioning.classes import InvalidOrder
from management.provisioning.orders import EngineConflict, EngineRefused
from management.provisioning.quotas import explained
from store.errors import QuotaExceeded, RecordNotFound

RETRY = {"Retry-After": "10"}


@contextmanager
def order_problems() -> Iterator[None]:
    """Raise ApiProblem: 422 for an order that is not valid, 503 while the engine is away.

    A sentence of the engine may repeat the value of a variable, which the audit log must not have.
    """
    try:
        yield
    except InvalidOrder as exc:
        errors = [{"field": one.field, "message": one.message} for one in exc.problems]
        fields = ", ".join(sorted({one.field.split(".")[0] for one in exc.problems}))
        raise ApiProblem(422, str(exc), errors=errors, note=f"not valid: {fields}") from exc
    except EngineRefused as exc:
        raise ApiProblem(422, str(exc), note="the engine refused the order") from exc
    except EngineConflict as exc:
        raise ApiProblem(409, str(exc), note="the engine reports a conflict") from exc
    except QuotaExceeded as exc:
        raise ApiProblem(422, explained(exc)) from exc
    except EngineAway as exc:
        raise ApiProblem(503, str(exc), headers=RETRY) from exc
    except RecordNotFound as exc:
        raise ApiProblem(409, "the management cluster or the order was removed meanwhile") from exc
