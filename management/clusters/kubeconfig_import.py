"""Read a cluster's endpoint and an administrator's credential from a kubeconfig.

Tokens and client certificates are supported. A kubeconfig may also name a program to run. Neither
the server nor the command line runs programs that a file names.
"""

import base64
import binascii
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from config.bounded_yaml import MAX_NODES, InvalidYaml, load_bounded
from management.errors import InvalidRequest
from management.kubernetes.endpoint import (
    SERVER_NAME,
    ClusterCredential,
    ClusterEndpoint,
    checked_server,
)

SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
"""Files in a pod with its own token and the CA of its cluster."""

MAX_FILE_BYTES = 4 * 1024 * 1024
"""A larger file is not a kubeconfig, a certificate or a token."""

MAX_SENT_NODES = 4_000
"""YAML values in a kubeconfig from the network: a hundred contexts, a fifth of a second."""


class InvalidKubeconfig(InvalidRequest):
    """The kubeconfig can't be used. The message is one line with the cause and the remedy."""


@dataclass(frozen=True, slots=True)
class KubeconfigAccess:
    """The endpoint and the credential of a context."""

    endpoint: ClusterEndpoint
    credential: ClusterCredential


def from_kubeconfig(path: Path, context: str | None = None) -> KubeconfigAccess:
    """Return the access of a context, by default the current one.

    Files that the kubeconfig names are read, relative to it. Raises InvalidKubeconfig.
    """
    return _access(path, _load(path), context)


def from_kubeconfig_text(text: str, context: str | None = None) -> KubeconfigAccess:
    """Return the access of a context in a kubeconfig from the network.

    It may not name files, because these would be the server's files. Raises InvalidKubeconfig.
    """
    path = Path("kubeconfig")
    config = _parsed(path, text, MAX_SENT_NODES)
    for section, key in (("clusters", "cluster"), ("users", "user")):
        for entry in _named(path, config, section, key).values():
            for file in _FILES & entry.keys():
                raise InvalidKubeconfig(
                    f"{file} names a file, which stays where it is: put its content in "
                    "(`kubectl config view --flatten --minify --raw`)"
                )
    return _access(path, config, context)


_FILES = frozenset({"certificate-authority", "client-certificate", "client-key", "tokenFile"})


def _access(path: Path, config: dict[str, Any], context: str | None) -> KubeconfigAccess:
    name = context or config.get("current-context")
    contexts = _named(path, config, "contexts", "context")
    if not name or not isinstance(name, str):
        raise InvalidKubeconfig(
            f"{path}: no current context; choose one with --context ({_listed(contexts)})"
        )
    if name not in contexts:
        raise InvalidKubeconfig(f'{path}: there is no context "{name}" ({_listed(contexts)})')
    chosen = contexts[name]
    cluster = _referred(path, config, "clusters", "cluster", chosen.get("cluster"), name)
    user = _referred(path, config, "users", "user", chosen.get("user"), name)
    return KubeconfigAccess(_endpoint(path, cluster), _credential(path, user))


def from_service_account(
    directory: Path = SERVICE_ACCOUNT, environment: Mapping[str, str] = os.environ
) -> KubeconfigAccess:
    """Return a pod's access to the cluster in which it runs. Raises InvalidKubeconfig."""
    host = environment.get("KUBERNETES_SERVICE_HOST")
    port = environment.get("KUBERNETES_SERVICE_PORT", "443")
    token, ca = directory / "token", directory / "ca.crt"
    if not host or not token.exists():
        raise InvalidKubeconfig(
            "this is not the inside of a cluster: KUBERNETES_SERVICE_HOST or the service account's "
            f"files in {directory} are missing; give --kubeconfig"
        )
    server = f"https://[{host}]:{port}" if ":" in host else f"https://{host}:{port}"
    return KubeconfigAccess(
        ClusterEndpoint((checked_server(server),), read_text(ca, "the CA")),
        ClusterCredential(token=read_token(token)),
    )


def read_text(path: Path, what: str) -> str:
    """Return the text of a small file. Raises InvalidKubeconfig, naming the file and ``what``."""
    try:
        if path.stat().st_size > MAX_FILE_BYTES:
            raise InvalidKubeconfig(f"{path}: too large for {what}")
        return path.read_text()
    except OSError as exc:
        raise InvalidKubeconfig(f"{path}: can't read {what} ({exc.strerror})") from exc
    except UnicodeDecodeError as exc:
        raise InvalidKubeconfig(f"{path}: {what} is not text") from exc


def read_token(path: Path) -> str:
    """Return the bearer token in a file. Raises InvalidKubeconfig."""
    return _token(read_text(path, "the token").strip(), path)


def checked_token(token: str) -> str:
    """Return a bearer token. Raises InvalidKubeconfig if it is not valid."""
    return _token(token, Path("token"))


def _load(path: Path) -> dict[str, Any]:
    return _parsed(path, read_text(path, "the kubeconfig"))


def _parsed(path: Path, text: str, max_nodes: int = MAX_NODES) -> dict[str, Any]:
    try:
        config = load_bounded(text, max_nodes=max_nodes)
    except InvalidYaml as exc:
        where = f" (line {exc.line})" if exc.line else ""
        raise InvalidKubeconfig(f"{path}: {exc}{where}") from exc
    if not isinstance(config, dict) or config.get("kind", "Config") != "Config":
        raise InvalidKubeconfig(f"{path}: not a kubeconfig (no `kind: Config`)")
    return config


def _named(path: Path, config: dict[str, Any], section: str, key: str) -> dict[str, dict[str, Any]]:
    """Return the entries of a section by name. As in kubectl, the first one of a name is used."""
    entries = config.get(section) or []
    if not isinstance(entries, list):
        raise InvalidKubeconfig(f"{path}: `{section}` is not a list")
    found: dict[str, dict[str, Any]] = {}
    for entry in entries:
        content = (entry.get(key) or {}) if isinstance(entry, dict) else None
        if not isinstance(content, dict) or not isinstance(entry.get("name"), str):
            raise InvalidKubeconfig(f"{path}: an entry of `{section}` has no name or no `{key}`")
        found.setdefault(entry["name"], content)
    return found


def _referred(
    path: Path, config: dict[str, Any], section: str, key: str, name: object, context: str
) -> dict[str, Any]:
    entries = _named(path, config, section, key)
    if not isinstance(name, str) or name not in entries:
        shown = f'"{name}", which is not in the file' if name else "none"
        raise InvalidKubeconfig(f'{path}: the {key} of context "{context}" is {shown}')
    return entries[name]


def _listed(contexts: Mapping[str, object]) -> str:
    return f"it has {', '.join(sorted(contexts))}" if contexts else "it has none"


def _endpoint(path: Path, cluster: dict[str, Any]) -> ClusterEndpoint:
    if cluster.get("insecure-skip-tls-verify"):
        raise InvalidKubeconfig(
            f"{path}: insecure-skip-tls-verify: Sekisho verifies every cluster it sends tokens to; "
            "give the cluster's CA as certificate-authority"
        )
    if cluster.get("proxy-url"):
        raise InvalidKubeconfig(
            f"{path}: proxy-url is not supported; Sekisho must reach the API server directly "
            "(--server gives another address)"
        )
    server = cluster.get("server")
    if not isinstance(server, str) or not server:
        raise InvalidKubeconfig(f"{path}: the cluster has no `server`")
    name = cluster.get("tls-server-name")
    if name and (not isinstance(name, str) or not SERVER_NAME.fullmatch(name)):
        raise InvalidKubeconfig(f"{path}: tls-server-name is not a host name")
    return ClusterEndpoint(
        (checked_server(server),),
        _content(path, cluster, "certificate-authority"),
        name or None,
    )


def _credential(path: Path, user: dict[str, Any]) -> ClusterCredential:
    """Return the credential of a user. As in kubectl, a token precedes a certificate."""
    _reject_plugins(path, user)
    if user.get("token"):
        return ClusterCredential(token=_token(user["token"], path))
    if user.get("tokenFile"):
        return ClusterCredential(token=read_token(_beside(path, user["tokenFile"])))
    certificate = _content(path, user, "client-certificate")
    key = _content(path, user, "client-key")
    if certificate and key:
        return ClusterCredential(certificate_pem=certificate, key_pem=key)
    if certificate or key:
        missing = "client-key" if certificate else "client-certificate"
        raise InvalidKubeconfig(f"{path}: the user has no {missing}")
    if user.get("username") or user.get("password"):
        raise InvalidKubeconfig(
            f"{path}: API servers no longer accept a username and password; "
            "use a token or a client certificate"
        )
    raise InvalidKubeconfig(f"{path}: the user has neither a token nor a client certificate")


def _reject_plugins(path: Path, user: dict[str, Any]) -> None:
    for key in ("exec", "auth-provider"):
        if not user.get(key):
            continue
        entry = user[key] if isinstance(user[key], dict) else {}
        program = entry.get("command" if key == "exec" else "name") or "a program"
        raise InvalidKubeconfig(
            f"{path}: the user signs in by a plug-in ({key}: {program}), and Sekisho runs no code "
            "from a kubeconfig (EKS, GKE and AKS write such files); register the cluster with its "
            "agent instead: `sekisho cluster register NAME --agent`; or make a kubeconfig with a "
            "service account's token"
        )
    if user.get("as") or user.get("as-groups") or user.get("as-uid"):
        raise InvalidKubeconfig(f"{path}: the user impersonates another (`as`); use that one's own")


def _content(path: Path, entry: dict[str, Any], key: str) -> str | None:
    """Return the PEM in ``<key>-data`` (base64; first, as in kubectl) or in the file ``<key>``."""
    data, file = entry.get(f"{key}-data"), entry.get(key)
    if data:
        try:
            return base64.b64decode(str(data), validate=True).decode("utf-8")
        except (binascii.Error, ValueError) as exc:
            raise InvalidKubeconfig(f"{path}: {key}-data is not base64 of PEM") from exc
    return read_text(_beside(path, file), key) if file else None


def _beside(path: Path, file: object) -> Path:
    return path.parent / str(file)


def _token(token: object, path: Path) -> str:
    if not isinstance(token, str) or not token or not token.isascii() or not token.isprintable():
        raise InvalidKubeconfig(f"{path}: the token is empty or has characters that no token has")
    if " " in token:
        raise InvalidKubeconfig(
            f"{path}: the token has white space inside; is that the right file?"
        )
    return token
