"""Choose what to delete: labelled objects that no document describes any longer. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress

from config.errors import Problem
from config.labels import Selector
from proxy.cli.apply.changes import Change, Prune
from proxy.cli.apply.documents import Document
from proxy.cli.apply.kinds import ORDER, PROJECT, ROLE, USER
from proxy.cli.apply.observed import Existing, Key
from proxy.cli.apply.ordering import Circle, in_order


def deletions(
    prune: Prune,
    documents: Sequence[Document],
    changes: Sequence[Change],
    found: Mapping[tuple[str, Key], Existing],
) -> tuple[list[Change], list[Problem]]:
    """Return the deletions in order, and the documents that make pruning unsafe.

    ``changes`` are those of the documents, ``found`` is what exists.
    """
    kinds = {one.kind.name for one in documents} | prune.kinds
    wanted = {change.key for change in changes}
    gone = [
        Change("delete", one.shown, key, existing=one)
        for key, one in found.items()
        if one.kind.name in kinds
        and one.kind.pruned
        and key not in wanted
        and not one.refusal
        and prune.selector.matches(one.labels)
    ]
    return _in_order(gone), [*_unlabelled(documents, prune.selector), *_unmatched(changes)]


def loss(change: Change, members: Mapping[str, int]) -> str:
    """Return what a deletion takes away, as the end of a line.

    ``members`` counts the members of each project, by its id.
    """
    one = change.existing
    if one is None:
        return ""
    if one.kind is USER:
        return "with all tokens, sessions, and roles of the user"
    if one.kind is PROJECT:
        names = [str(inside["name"]) for inside in one.content["namespaces"]]
        held = members.get(one.id, 0)
        stay = f"; {', '.join(names)} stay in the cluster, in no project" if names else ""
        return f"{held} members lose their roles in it{stay}"
    if one.kind is ROLE:
        return "refused by the server while it is held or inherited"
    return "the access ends immediately"


def _in_order(gone: Sequence[Change]) -> list[Change]:
    """Return deletions: members first, and roles before those that they inherit."""
    roles = {one.key[1]: one.existing for one in gone if one.kind == ROLE.name and one.existing}
    needs = {
        key: [(key[0], parent) for parent in one.content["inherits"]] for key, one in roles.items()
    }
    names = list(roles)
    with suppress(Circle):
        names = in_order(roles, needs)
    rank = {key: position for position, key in enumerate(names)}
    return sorted(gone, key=lambda one: (-ORDER[one.kind], -rank.get(one.key[1], 0), one.shown))


def _unlabelled(documents: Sequence[Document], selector: Selector) -> Iterator[Problem]:
    """Yield a problem for each document that a later run with --prune would not find."""
    for one in documents:
        if one.kind.pruned and not selector.matches(one.labels):
            message = "does not satisfy the selector of --prune; add the label"
            yield Problem(one.place_of("metadata", "labels"), "metadata.labels", message)


def _unmatched(changes: Sequence[Change]) -> Iterator[Problem]:
    """Yield a problem for each holder that could be the one of an existing object."""
    for one in changes:
        if one.action == "create" and one.document and one.key[1][-1].startswith("?"):
            yield one.document.problem(
                "user",
                "can't be matched with members, because you may not list users (users.manage); "
                "--prune needs that, or the user's id",
            )
