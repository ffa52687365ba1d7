"""Load balancers with the configurations of docs/recipes/load-balancers.md."""

import http.client
import json
import ssl
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from proxy.workers.child_process import die_with_parent
from tests.support.isolation import free_port
from tests.support.load_balancers import STREAM
from tests.support.page_session import ROOT, File, steps_of
from tests.support.scripted_api_server import issue, make_authority
from tests.support.sekisho import PASSWORD
from tests.support.waiting import wait_until

RECIPE = ROOT / "docs" / "recipes" / "load-balancers.md"
CLIENT = "127.0.0.2"
"""An address of this machine that is not the balancer's."""

ADDRESS = "address: sekisho.internal, port_value: 8443"
"""Envoy's way to write a replica's address."""


@dataclass
class Balancer:
    """A running balancer: its port, the CA of the certificate that clients see, and its mode."""

    name: str
    port: int
    ca: Path
    ends_tls: bool

    def kubeconfig(self, original: Path, port: int) -> Path:
        """Write a kubeconfig that leads through it, and return its path."""
        lines = []
        for line in original.read_text().splitlines():
            key, _, _ = line.partition(":")
            if key.strip() == "certificate-authority-data":
                line = f"{key.replace('-data', '')}: {self.ca}"
            lines.append(line.replace(f"127.0.0.1:{port}", f"localhost:{self.port}"))
        file = original.with_name(f"{self.name}-{original.name}")
        file.write_text("\n".join(lines))
        return file

    def connect(self, source: str | None = None) -> http.client.HTTPSConnection:
        """Return a connection that is not open yet, from an address of this machine."""
        context = ssl.create_default_context(cafile=str(self.ca))
        address = (source, 0) if source else None
        return http.client.HTTPSConnection(
            "localhost", self.port, context=context, timeout=120, source_address=address
        )

    def sign_in(self, headers: Mapping[str, str]) -> str:
        """Sign bob in from :data:`CLIENT`, and return the request's id."""
        connection = self.connect(CLIENT)
        body = json.dumps({"username": "bob", "password": PASSWORD})
        connection.request(
            "POST", "/v1/login/local", body, {"Content-Type": "application/json", **headers}
        )
        response = connection.getresponse()
        assert response.status == 200, response.read()
        connection.close()
        return str(response.headers["X-Request-Id"])

    def answers(self) -> bool:
        """Return whether a ready Sekisho responds through it."""
        connection = self.connect()
        try:
            connection.request("GET", "/readyz")
            return connection.getresponse().status == 200
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()


@contextmanager
def running_balancer(
    name: str,
    programs: Mapping[str, Path],
    folder: Path,
    ports: Sequence[int],
    own_ca: Path,
    changes: Sequence[tuple[str, str]] = (),
) -> Iterator[Balancer]:
    """Run a balancer with a configuration of the recipe in front of replicas.

    ``name`` is that of the configuration's file, and ``own_ca`` of Sekisho's certificates.
    ``changes`` are texts in it, and what replaces them.
    """
    authority = make_authority()
    certificate = issue(authority, name="localhost")
    (folder / "sekisho.example.com.pem").write_bytes(
        certificate.certificate_pem + certificate.key_pem
    )
    (folder / "ca.crt").write_bytes(authority.certificate_pem)
    (folder / "sekisho-ca.crt").write_bytes(own_ca.read_bytes())
    port, ends_tls = free_port(), "terminated" in name
    text = configuration(name, port, ports)
    for before, after in changes:
        assert before in text
        text = text.replace(before, after)
    (folder / name).write_text(text)
    command = _command(name, programs, folder)
    ready = Balancer(Path(name).stem, port, folder / "ca.crt" if ends_tls else own_ca, ends_tls)
    process = subprocess.Popen([*die_with_parent(), *command], cwd=folder)
    try:
        wait_until(lambda: process.poll() is not None or ready.answers())
        assert process.poll() is None
        yield ready
    finally:
        process.terminate()
        process.wait(60)


def configuration(name: str, port: int, ports: Sequence[int]) -> str:
    """Return a configuration of the recipe, with the replicas' ports on this machine."""
    [text] = [
        one.text
        for one in steps_of(RECIPE.read_text())
        if isinstance(one, File) and one.name == name
    ]
    lines = []
    for line in text.splitlines(keepends=True):
        line = line.replace("bind :443", f"bind 127.0.0.1:{port}")
        line = line.replace("listen 443", f"listen 127.0.0.1:{port}")
        line = line.replace("address: 0.0.0.0, port_value: 443", own_address(port))
        line = line.replace("server_names: [sekisho.example.com]", "server_names: [localhost]")
        is_replica = "sekisho.internal:8443" in line or ADDRESS in line
        for number, replica in enumerate(ports if is_replica else ports[:1], 1):
            each = line.replace("server one ", f"server replica-{number} ")
            each = each.replace("sekisho.internal:8443", f"127.0.0.1:{replica}")
            lines.append(each.replace(ADDRESS, own_address(replica)))
    return "".join(lines).replace("sekisho.internal", "localhost")


def own_address(port: int) -> str:
    """Return an address of this machine as Envoy writes it."""
    return f"address: 127.0.0.1, port_value: {port}"


def _command(name: str, programs: Mapping[str, Path], folder: Path) -> list[str]:
    program = name.partition("-")[0]
    path = str(programs[program])
    if program == "haproxy":
        return [path, "-f", name]
    if program == "envoy":
        return [path, "-c", name, "--log-level", "warning", "--disable-hot-restart"]
    return _nginx(path, folder, folder / name)


def _nginx(program: str, folder: Path, file: Path) -> list[str]:
    """Return a command line whose nginx writes into the folder only."""
    names = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    temporary = "".join(f"{name}_temp_path {folder / name};" for name in names)
    file.write_text(file.read_text().replace("http {", f"http {{ access_log off; {temporary}"))
    settings = f"daemon off; error_log stderr; pid {folder / 'nginx.pid'};"
    if "stream {" in file.read_text():
        settings += f" load_module {STREAM};"
    return [program, "-p", str(folder), "-c", file.name, "-e", "stderr", "-g", settings]
