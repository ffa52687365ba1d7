"""The order of changes: an object after those that it refers to. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from typing import TypeVar

Node = TypeVar("Node", bound=tuple[str, ...])


class Circle(Exception):
    """Objects refer to each other in a circle. ``path`` begins and ends with the same one."""

    def __init__(self, path: Sequence[tuple[str, ...]]) -> None:
        super().__init__(" -> ".join("/".join(one) for one in path))
        self.path = tuple(path)


def in_order(nodes: Iterable[Node], needs: Mapping[Node, Iterable[Node]]) -> list[Node]:
    """Return the nodes, each after those that it needs; otherwise in their own order.

    Needs that are not among the nodes do not matter. Without recursion: chains may be long.

    Raises:
        Circle: nodes need each other.
    """
    wanted = dict.fromkeys(nodes)
    done: dict[Node, None] = {}
    for first in wanted:
        open_: dict[Node, None] = {}
        waiting = [(first, iter(()) if first in done else iter(_needed(first, needs, wanted)))]
        open_[first] = None
        while waiting:
            node, rest = waiting[-1]
            following = next((one for one in rest if one not in done), None)
            if following is None:
                waiting.pop()
                open_.pop(node, None)
                done[node] = None
            elif following in open_:
                path = list(open_)
                raise Circle([*path[path.index(following) :], following])
            else:
                open_[following] = None
                waiting.append((following, iter(_needed(following, needs, wanted))))
    return list(done)


def _needed(
    node: Node, needs: Mapping[Node, Iterable[Node]], wanted: Mapping[Node, None]
) -> list[Node]:
    return [one for one in needs.get(node, ()) if one in wanted]
