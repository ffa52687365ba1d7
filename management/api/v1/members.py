"""Who holds what in a cluster and in a project."""

from collections.abc import Sequence

from aiohttp import web

from management.api import answers
from management.api.bindings import (
    NewHolder,
    asked_holder,
    asked_role,
    binding_json,
    require_may_hand_out,
)
from management.api.bodies import Body
from management.api.described import described
from management.api.listing import Item, Listing
from management.api.requirements import CLUSTER, PROJECT
from management.authorization.book import RoleBook
from management.cluster_errors import BadRequest, NoSuchUser
from management.members import Granted, MemberService
from management.problems import Problem, read_body
from management.services import services_of
from management.subjects import Holder, find_holder
from management.telling import note
from store.access_records import Binding, Project, Role
from store.interfaces import Cluster, Store, User


class MemberRole(Body):
    """What somebody holds from now on, by the role's id or name."""

    role: str


async def collect(request: web.Request) -> Sequence[Item]:
    """The members of the cluster or project of the path."""
    store, (cluster, project) = services_of(request).store, _place(request)
    book = RoleBook(await store.roles.list_all())
    held = await MemberService(store).members(cluster, project)
    users = await _users(store, held)
    return [member_json(one, book, users) for one in held]


LIST = Listing(
    collect,
    answer=answers.MemberAnswer,
    sorts=("name", "id", "role", "created_at"),
    filters=("role", "user", "group", "kind"),
    searched=("name", "username", "display_name", "group"),
    kinds=frozenset({"user", "group", "role", "access"}),
)


@described(body=NewHolder, answer=answers.NewMemberAnswer, status=201)
async def add_member(request: web.Request) -> web.Response:
    """Let a user or a group hold a role, beside what they hold there already.

    ``bound`` is false where the cluster doesn't know yet; ``pending`` says why.
    """
    services = services_of(request)
    body = await read_body(request, NewHolder)
    holder = await asked_holder(services, body)
    return await _hold(request, holder, body.role, instead=False, status=201)


@described(body=MemberRole, answer=answers.NewMemberAnswer)
async def put_member(request: web.Request) -> web.Response:
    """Let a user or a group that is known hold this role there, and no other."""
    services = services_of(request)
    body = await read_body(request, MemberRole)
    holder = await _named(services.store, request.match_info["member"])
    return await _hold(request, holder, body.role, instead=True, status=200)


@described(status=204)
async def remove_member(request: web.Request) -> web.Response:
    """Take every role away that somebody holds there."""
    services, (cluster, project) = services_of(request), _place(request)
    holder = await _named(services.store, request.match_info["member"])
    await _require_reach(request, holder)
    revoked = await MemberService(services.store).remove(cluster, holder, project)
    if not revoked.existed:
        raise Problem(404, f'"{holder.name}" is no member')
    note(request, holder=holder.id)
    return web.Response(status=204)


def member_json(binding: Binding, book: RoleBook, users: dict[str, User]) -> Item:
    """A member as the API shows one."""
    user = users.get(binding.user_id or "")
    return {
        **binding_json(binding, book),
        "username": user.username if user is not None else None,
        "display_name": user.display_name if user is not None else binding.name,
    }


async def _hold(
    request: web.Request, holder: Holder, role_name: str, *, instead: bool, status: int
) -> web.Response:
    store, (cluster, project) = services_of(request).store, _place(request)
    book = RoleBook(await store.roles.list_all())
    role = asked_role(book, "project" if project is not None else "cluster", role_name)
    require_may_hand_out(
        request, role, book, cluster_id=cluster.id, project_id=project.id if project else None
    )
    if instead:
        await _require_reach(request, holder)
    granted = await _granted(store, cluster, project, holder, role, instead=instead)
    note(request, role=role.id, holder=holder.id)
    users = {holder.user.id: holder.user} if holder.user is not None else {}
    body = member_json(granted.binding, book, users)
    body |= {"bound": granted.bound, "pending": _told(request, granted)}
    return web.json_response(body, status=status)


async def _granted(
    store: Store,
    cluster: Cluster,
    project: Project | None,
    holder: Holder,
    role: Role,
    *,
    instead: bool,
) -> Granted:
    try:
        return await MemberService(store).add(cluster, holder, role, project, instead=instead)
    except BadRequest as exc:
        raise Problem(422, str(exc)) from None


async def _require_reach(request: web.Request, holder: Holder) -> None:
    """Nobody takes away what they couldn't have given."""
    store, (cluster, project) = services_of(request).store, _place(request)
    book = RoleBook(await store.roles.list_all())
    for one in await MemberService(store).members(cluster, project):
        role = book.get(one.role_id)
        if one.subject == holder.id and role is not None:
            require_may_hand_out(
                request,
                role,
                book,
                cluster_id=cluster.id,
                project_id=project.id if project else None,
            )


def _told(request: web.Request, granted: Granted) -> str | None:
    """Why the cluster doesn't know yet; its address and words are for who may change it."""
    if granted.pending is None or granted.cluster.controller_token is None:
        return granted.pending
    note(request, pending=granted.pending)
    return "the cluster is away or refuses; it is told as soon as it answers"


def _place(request: web.Request) -> tuple[Cluster, Project | None]:
    return request[CLUSTER], request.get(PROJECT)


async def _named(store: Store, name: str) -> Holder:
    try:
        return await find_holder(store, name)
    except NoSuchUser as exc:
        raise Problem(404, str(exc)) from None


async def _users(store: Store, held: Sequence[Binding]) -> dict[str, User]:
    ids = sorted({one.user_id for one in held if one.user_id is not None})
    return {user.id: user for user in await store.users.get_many(ids)}
