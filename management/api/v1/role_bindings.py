"""Who holds a global role."""

from collections.abc import Sequence
from datetime import UTC, datetime

from aiohttp import web
from pydantic import model_validator

from management.api import answers
from management.api.bodies import Body, Line
from management.api.described import described
from management.api.listing import Item, Listing
from management.authentication import caller_of
from management.authorization.book import RoleBook
from management.authorization.escalation import lacking_for
from management.cluster_errors import BadRequest, NoSuchUser
from management.problems import Problem, read_body
from management.services import Services, services_of
from management.subjects import Holder, find_user, group_holder
from management.telling import note
from management.users import random_id
from store.access_records import Binding, Role, Scope


class NewHolder(Body):
    """A user (by id, username or principal) or a group principal, and a role by id or name."""

    role: str
    user: str | None = None
    group: str | None = None
    name: Line = ""
    """What people call the group."""

    @model_validator(mode="after")
    def _one(self) -> "NewHolder":
        if (self.user is None) == (self.group is None):
            raise ValueError("give either a user or a group")
        return self


async def collect(request: web.Request) -> Sequence[Item]:
    """Every binding to a global role."""
    services = services_of(request)
    book = RoleBook(await services.store.roles.list_all())
    return [binding_json(one, book) for one in await services.store.bindings.overall()]


LIST = Listing(
    collect,
    answer=answers.BindingAnswer,
    sorts=("name", "id", "role", "created_at"),
    filters=("role", "user", "group"),
    searched=("name", "user", "group"),
    kinds=frozenset({"user", "group", "role"}),
)


@described(body=NewHolder, answer=answers.BindingAnswer, status=201)
async def create_binding(request: web.Request) -> web.Response:
    """Let somebody hold a global role, beside what they hold already."""
    services = services_of(request)
    body = await read_body(request, NewHolder)
    book = RoleBook(await services.store.roles.list_all())
    role = asked_role(book, "global", body.role)
    holder = await asked_holder(services, body)
    require_may_hand_out(request, role, book)
    binding = await services.store.bindings.create(
        Binding(
            id=random_id("b"),
            role_id=role.id,
            user_id=holder.user.id if holder.user is not None else None,
            group_id=None if holder.user is not None else holder.id,
            name=holder.name,
            created_at=datetime.now(UTC),
        )
    )
    note(request, role=role.id, holder=holder.id)
    return web.json_response(binding_json(binding, book), status=201)


@described(status=204)
async def delete_binding(request: web.Request) -> web.Response:
    """Take a global role away. The last administrator stays one."""
    services = services_of(request)
    found = await services.store.bindings.get(request.match_info["binding"])
    if found is None or found.target:
        raise Problem(404, "there is no such binding")
    book = RoleBook(await services.store.roles.list_all())
    role = book.get(found.role_id)
    if role is not None:
        require_may_hand_out(request, role, book)
    await services.store.bindings.delete(found.id)
    note(request, role=found.role_id, holder=found.subject)
    return web.Response(status=204)


def binding_json(binding: Binding, book: RoleBook) -> Item:
    """A binding as the API shows one."""
    role = book.get(binding.role_id)
    return {
        "id": binding.id,
        "role": role.name if role is not None else binding.role_id,
        "role_id": binding.role_id,
        "kind": "user" if binding.user_id is not None else "group",
        "user": binding.user_id,
        "group": binding.group_id,
        "name": binding.name,
        "cluster": binding.cluster_id,
        "project": binding.project_id,
        "created_at": binding.created_at.isoformat(),
    }


def asked_role(book: RoleBook, scope: Scope, name: str) -> Role:
    """The role of that id or name. Raises Problem with 422."""
    role = book.named(scope, name)
    if role is None:
        known = ", ".join(sorted(one.name for one in book if one.scope == scope))
        raise Problem(422, f"role: there is no {scope} role {name[:64]!r}; there are {known}")
    return role


async def asked_holder(services: Services, body: NewHolder) -> Holder:
    """Whom a body names. Raises Problem with 422 or 404."""
    try:
        if body.group is not None:
            return group_holder(body.group, body.name)
        user = await find_user(services.store, body.user or "")
    except NoSuchUser as exc:
        raise Problem(404, str(exc)) from None
    except BadRequest as exc:
        raise Problem(422, str(exc)) from None
    return Holder(user.id, user.username, user)


def require_may_hand_out(
    request: web.Request,
    role: Role,
    book: RoleBook,
    *,
    cluster_id: str | None = None,
    project_id: str | None = None,
) -> None:
    """Raise Problem with 403 where the caller doesn't hold what the role comes to there."""
    access = caller_of(request).access
    missing = lacking_for(role, book, access, cluster_id=cluster_id, project_id=project_id)
    if missing:
        raise Problem(403, f"you don't hold this yourself: {', '.join(missing[:5])}")
