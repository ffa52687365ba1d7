"""Prepare an administrator's kubeconfig for sending: only what the server needs of it.

One context is sent, with its cluster and its user. Files that it names are put in.
"""

import base64
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from proxy.cli.common import CommandFailed, reason
from proxy.cli.verbs.options import MAX_FILE_BYTES, read_object

_FILES = {
    "certificate-authority": "certificate-authority-data",
    "client-certificate": "client-certificate-data",
    "client-key": "client-key-data",
}


def sent_kubeconfig(file: Path, context: str | None) -> str:
    """Return the text of a kubeconfig with one context of a file.

    Raises:
        CommandFailed: the file can't be read, or has no such context.
    """
    import yaml

    config = read_object(file)
    name = context or config.get("current-context")
    contexts = _named(file, config, "contexts", "context")
    if not isinstance(name, str) or name not in contexts:
        known = ", ".join(contexts) or "none"
        raise CommandFailed(f"{file}: choose a context with --context; it has {known}")
    chosen = contexts[name]
    cluster = _referred(file, config, ("clusters", "cluster"), chosen, name)
    user = _referred(file, config, ("users", "user"), chosen, name)
    if "exec" in user or "auth-provider" in user:
        raise CommandFailed(
            f"{file}: the user of {name} gets its credential from a program (EKS, GKE and AKS "
            "write such files); register the cluster with its agent instead: `sekisho cluster "
            "register NAME --agent`; or give a kubeconfig with a service account's token"
        )
    small = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "c",
        "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
        "clusters": [{"name": "c", "cluster": _inlined(file, cluster)}],
        "users": [{"name": "u", "user": _inlined(file, user)}],
    }
    text: str = yaml.safe_dump(small)
    return text


def _inlined(file: Path, entry: Mapping[str, Any]) -> dict[str, Any]:
    """Return an entry whose files are replaced by their content."""
    found = dict(entry)
    for key, inline in _FILES.items():
        named = found.pop(key, None)
        if named and inline not in found:
            found[inline] = base64.b64encode(_read(file, named)).decode()
    token_file = found.pop("tokenFile", None)
    if token_file and "token" not in found:
        found["token"] = _read(file, token_file).decode("utf-8", "replace").strip()
    return found


def _read(file: Path, named: object) -> bytes:
    """Return the content of a file that a kubeconfig names, relative to the kubeconfig."""
    path = file.parent / str(named)
    try:
        with path.open("rb") as stream:
            content = stream.read(MAX_FILE_BYTES + 1)
    except (OSError, ValueError) as exc:
        why = reason(exc) if isinstance(exc, OSError) else "is not a file name"
        raise CommandFailed(f"{file}: {path}: {why}") from None
    if len(content) > MAX_FILE_BYTES:
        raise CommandFailed(f"{file}: {path}: is larger than {MAX_FILE_BYTES} bytes")
    return content


def _referred(
    file: Path, config: Mapping[str, Any], section: tuple[str, str], chosen: Any, context: str
) -> dict[str, Any]:
    entries, name = _named(file, config, *section), chosen.get(section[1])
    if name not in entries:
        raise CommandFailed(f"{file}: the {section[1]} of context {context} is missing")
    return entries[name]


def _named(
    file: Path, config: Mapping[str, Any], section: str, key: str
) -> dict[str, dict[str, Any]]:
    """Return the entries of a section by name. Raises CommandFailed if it is malformed."""
    listed = config.get(section) or []
    try:
        found = {str(one["name"]): one[key] for one in listed}
    except (KeyError, TypeError):
        raise CommandFailed(f"{file}: is not a kubeconfig; see its {section}") from None
    if not all(isinstance(one, dict) for one in found.values()):
        raise CommandFailed(f"{file}: is not a kubeconfig; see its {section}")
    return found
