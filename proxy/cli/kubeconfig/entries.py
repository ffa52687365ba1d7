"""The entries of a server's kubeconfig, with the user's names and commands. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from config.bounded_yaml import InvalidYaml, load_bounded

EXTENSION = "sekisho.io/managed"
"""The extension that marks an entry as Sekisho's. kubectl keeps extensions."""

MAX_NODES = 200_000
"""Values in a kubeconfig: thousands of clusters."""


class InvalidKubeconfig(Exception):
    """The text is not a kubeconfig. The message is the predicate of a sentence."""


@dataclass(frozen=True, slots=True)
class Owner:
    """Whose entries they are: those of one server, with one prefix of names."""

    server: str
    prefix: str = ""

    def mark(self, cluster_id: str) -> dict[str, Any]:
        """Return the extension of an entry."""
        found = {"server": self.server, "cluster": cluster_id}
        if self.prefix:
            found["prefix"] = self.prefix
        return {"name": EXTENSION, "extension": found}


@dataclass(frozen=True, slots=True)
class Command:
    """How kubectl runs ``sekisho credential``: a program and its first arguments."""

    program: str
    arguments: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Entry:
    """A cluster, its user and its context, which are written together."""

    cluster_id: str
    name: str
    """The name of the context and of the cluster."""
    user_name: str
    cluster: Mapping[str, Any]
    user: Mapping[str, Any]


def entries_of(text: str) -> list[Entry]:
    """Return the entries of a kubeconfig that a server rendered. Raises InvalidKubeconfig."""
    try:
        config = load_bounded(text, max_nodes=MAX_NODES)
        clusters = {one["name"]: one["cluster"] for one in config["clusters"]}
        users = {one["name"]: one["user"] for one in config["users"]}
        pairs = [(one["name"], one["context"]) for one in config["contexts"]]
        return [
            Entry(
                _cluster_id(clusters[context["cluster"]]),
                str(name),
                str(context["user"]),
                clusters[context["cluster"]],
                users[context["user"]],
            )
            for name, context in pairs
        ]
    except (InvalidYaml, KeyError, TypeError, AttributeError, ValueError) as exc:
        raise InvalidKubeconfig("is not a kubeconfig of Sekisho") from exc


def personal(entry: Entry, owner: Owner, command: Command) -> Entry:
    """Return ``entry`` with the owner's prefix, and ``command`` as its program."""
    user = dict(entry.user)
    if isinstance(user.get("exec"), dict):
        program = dict(user["exec"])
        program["command"] = command.program
        program["args"] = [*command.arguments, *program.get("args", ())]
        user["exec"] = program
    prefix = owner.prefix
    return Entry(
        entry.cluster_id,
        f"{prefix}{entry.name}",
        f"{prefix}{entry.user_name}",
        entry.cluster,
        user,
    )


def token_names(entries: Sequence[Entry]) -> list[str]:
    """Return the names of the tokens in the entries, each once."""
    tokens = (one.user.get("token") for one in entries)
    return list(dict.fromkeys(str(one).partition(":")[0] for one in tokens if one))


def _cluster_id(cluster: Mapping[str, Any]) -> str:
    head, _, last = str(cluster["server"]).rpartition("/")
    if not head.endswith("/k8s/clusters") or not last:
        raise ValueError("not the URL of a cluster")
    return last
