"""Reading from a kubeconfig where a cluster is, and as whom to set Sekisho up in it.

Only what proves itself by a token or a client certificate is read. A kubeconfig may also say to run
a program; the server runs nothing that comes in a file, and the command line follows it in that.
"""

import base64
import binascii
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from management.cluster_errors import BadRequest
from management.downstream.endpoint import Credential, Endpoint, checked_server

SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
"""Where a pod finds its own token and its cluster's CA."""

MAX_FILE_BYTES = 4 * 1024 * 1024
"""A larger file is not a kubeconfig, a certificate or a token."""


class BadKubeconfig(BadRequest):
    """The kubeconfig can't be used; the message is one line that says why, and the fix."""


@dataclass(frozen=True, slots=True)
class Access:
    """What a kubeconfig's context gives: where, and as whom."""

    endpoint: Endpoint
    credential: Credential


def from_kubeconfig(path: Path, context: str | None = None) -> Access:
    """The access that a context of a kubeconfig gives; by default its current one.

    Reads that file and those it names, relative to itself. Raises BadKubeconfig.
    """
    return _access(path, _load(path), context)


def from_kubeconfig_text(text: str, context: str | None = None) -> Access:
    """The same of a kubeconfig that came over the network. It may name no files: they'd be ours.

    Raises BadKubeconfig.
    """
    path = Path("kubeconfig")
    config = _parsed(path, text)
    for section, key in (("clusters", "cluster"), ("users", "user")):
        for entry in _named(path, config, section, key).values():
            for file in _FILES & entry.keys():
                raise BadKubeconfig(
                    f"{file} names a file, which stays where it is: put its content in "
                    "(`kubectl config view --flatten --minify --raw`)"
                )
    return _access(path, config, context)


_FILES = frozenset({"certificate-authority", "client-certificate", "client-key", "tokenFile"})


def _access(path: Path, config: dict[str, Any], context: str | None) -> Access:
    name = context or config.get("current-context")
    contexts = _named(path, config, "contexts", "context")
    if not name:
        raise BadKubeconfig(
            f"{path}: no current context; choose one with --context ({_listed(contexts)})"
        )
    if name not in contexts:
        raise BadKubeconfig(f'{path}: there is no context "{name}" ({_listed(contexts)})')
    chosen = contexts[name]
    cluster = _referred(path, config, "clusters", "cluster", chosen.get("cluster"), name)
    user = _referred(path, config, "users", "user", chosen.get("user"), name)
    return Access(_endpoint(path, cluster), _credential(path, user))


def from_inside(
    directory: Path = SERVICE_ACCOUNT, environment: Mapping[str, str] = os.environ
) -> Access:
    """The access that a pod has to the cluster it runs in. Raises BadKubeconfig."""
    host = environment.get("KUBERNETES_SERVICE_HOST")
    port = environment.get("KUBERNETES_SERVICE_PORT", "443")
    token, ca = directory / "token", directory / "ca.crt"
    if not host or not token.exists():
        raise BadKubeconfig(
            "this is not the inside of a cluster: KUBERNETES_SERVICE_HOST or the service account's "
            f"files in {directory} are missing; give --kubeconfig"
        )
    server = f"https://[{host}]:{port}" if ":" in host else f"https://{host}:{port}"
    return Access(
        Endpoint((checked_server(server),), read_text(ca, "the CA")),
        Credential(token=read_token(token)),
    )


def read_text(path: Path, what: str) -> str:
    """A small text file. Raises BadKubeconfig, which names the file and ``what`` it is."""
    try:
        if path.stat().st_size > MAX_FILE_BYTES:
            raise BadKubeconfig(f"{path}: too large for {what}")
        return path.read_text()
    except OSError as exc:
        raise BadKubeconfig(f"{path}: can't read {what} ({exc.strerror})") from exc
    except UnicodeDecodeError as exc:
        raise BadKubeconfig(f"{path}: {what} is not text") from exc


def read_token(path: Path) -> str:
    """The bearer token in a file. Raises BadKubeconfig."""
    return _token(read_text(path, "the token").strip(), path)


def _load(path: Path) -> dict[str, Any]:
    return _parsed(path, read_text(path, "the kubeconfig"))


def _parsed(path: Path, text: str) -> dict[str, Any]:
    try:
        config = yaml.safe_load(text)
    except yaml.YAMLError as exc:
        mark = getattr(exc, "problem_mark", None)
        where = f" (line {mark.line + 1})" if mark else ""
        raise BadKubeconfig(f"{path}: not YAML{where}") from exc
    if not isinstance(config, dict) or config.get("kind", "Config") != "Config":
        raise BadKubeconfig(f"{path}: not a kubeconfig (no `kind: Config`)")
    return config


def _named(path: Path, config: dict[str, Any], section: str, key: str) -> dict[str, dict[str, Any]]:
    """The entries of a section, by name; as in kubectl, the first of a name counts."""
    entries = config.get(section) or []
    if not isinstance(entries, list):
        raise BadKubeconfig(f"{path}: `{section}` is not a list")
    found: dict[str, dict[str, Any]] = {}
    for entry in entries:
        content = (entry.get(key) or {}) if isinstance(entry, dict) else None
        if not isinstance(content, dict) or not isinstance(entry.get("name"), str):
            raise BadKubeconfig(f"{path}: an entry of `{section}` has no name or no `{key}`")
        found.setdefault(entry["name"], content)
    return found


def _referred(
    path: Path, config: dict[str, Any], section: str, key: str, name: object, context: str
) -> dict[str, Any]:
    entries = _named(path, config, section, key)
    if not isinstance(name, str) or name not in entries:
        shown = f'"{name}", which is not in the file' if name else "none"
        raise BadKubeconfig(f'{path}: the {key} of context "{context}" is {shown}')
    return entries[name]


def _listed(contexts: Mapping[str, object]) -> str:
    return f"it has {', '.join(sorted(contexts))}" if contexts else "it has none"


def _endpoint(path: Path, cluster: dict[str, Any]) -> Endpoint:
    if cluster.get("insecure-skip-tls-verify"):
        raise BadKubeconfig(
            f"{path}: insecure-skip-tls-verify: Sekisho verifies every cluster it sends tokens to; "
            "give the cluster's CA as certificate-authority"
        )
    if cluster.get("proxy-url"):
        raise BadKubeconfig(
            f"{path}: proxy-url is not supported; Sekisho must reach the API server directly "
            "(--server gives another address)"
        )
    server = cluster.get("server")
    if not isinstance(server, str) or not server:
        raise BadKubeconfig(f"{path}: the cluster has no `server`")
    name = cluster.get("tls-server-name")
    return Endpoint(
        (checked_server(server),),
        _content(path, cluster, "certificate-authority"),
        str(name) if name else None,
    )


def _credential(path: Path, user: dict[str, Any]) -> Credential:
    """As whom the user speaks; a token goes before a certificate, as in kubectl."""
    _refuse_what_runs(path, user)
    if user.get("token"):
        return Credential(token=_token(user["token"], path))
    if user.get("tokenFile"):
        return Credential(token=read_token(_beside(path, user["tokenFile"])))
    certificate = _content(path, user, "client-certificate")
    key = _content(path, user, "client-key")
    if certificate and key:
        return Credential(certificate_pem=certificate, key_pem=key)
    if certificate or key:
        missing = "client-key" if certificate else "client-certificate"
        raise BadKubeconfig(f"{path}: the user has no {missing}")
    if user.get("username") or user.get("password"):
        raise BadKubeconfig(
            f"{path}: no API server takes a username and password any more; "
            "use a token or a client certificate"
        )
    raise BadKubeconfig(f"{path}: the user has neither a token nor a client certificate")


def _refuse_what_runs(path: Path, user: dict[str, Any]) -> None:
    for key in ("exec", "auth-provider"):
        if not user.get(key):
            continue
        entry = user[key] if isinstance(user[key], dict) else {}
        program = entry.get("command" if key == "exec" else "name") or "a program"
        raise BadKubeconfig(
            f"{path}: the user signs in by a plug-in ({key}: {program}), and Sekisho runs no code "
            "from a kubeconfig; make one with a service account's token, or use `cluster add`"
        )
    if user.get("as") or user.get("as-groups") or user.get("as-uid"):
        raise BadKubeconfig(f"{path}: the user impersonates another (`as`); use that one's own")


def _content(path: Path, entry: dict[str, Any], key: str) -> str | None:
    """The PEM under ``<key>-data`` (base64, goes first as in kubectl) or in the file ``<key>``."""
    data, file = entry.get(f"{key}-data"), entry.get(key)
    if data:
        try:
            return base64.b64decode(str(data), validate=True).decode("utf-8")
        except (binascii.Error, ValueError) as exc:
            raise BadKubeconfig(f"{path}: {key}-data is not base64 of PEM") from exc
    return read_text(_beside(path, file), key) if file else None


def _beside(path: Path, file: object) -> Path:
    return path.parent / str(file)


def _token(token: object, path: Path) -> str:
    if not isinstance(token, str) or not token or not token.isascii() or not token.isprintable():
        raise BadKubeconfig(f"{path}: the token is empty or has characters that no token has")
    if " " in token:
        raise BadKubeconfig(f"{path}: the token has white space inside; is that the right file?")
    return token
