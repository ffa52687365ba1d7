"""Read streams of the API: server-sent events, and logs."""

import http.client
import json
import ssl
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from typing import Any

from tests.support.sekisho import Sekisho

SECONDS = 120.0


class Stream:
    """A response that is read while it arrives."""

    def __init__(self, response: http.client.HTTPResponse) -> None:
        self._response = response
        self.headers: Mapping[str, str] = dict(response.headers)

    def line(self) -> str | None:
        """Return the next line; None at the end."""
        line = self._response.readline()
        return line.decode().rstrip("\r\n") if line else None

    def event(self) -> tuple[str, Any]:
        """Return name and data of the next event."""
        name = ""
        while True:
            line = self.line()
            assert line is not None, "the stream has ended"
            if line.startswith("event: "):
                name = line.removeprefix("event: ")
            elif line.startswith("data: "):
                return name, json.loads(line.removeprefix("data: "))

    def next(self, name: str) -> Any:
        """Return the data of the next event with a name."""
        while True:
            found, data = self.event()
            if found == name:
                return data

    def is_cut_off(self) -> bool:
        """Return whether the response breaks off, after any lines that still come."""
        try:
            while self._response.read1(4096):
                pass
        except (http.client.IncompleteRead, ConnectionError, ssl.SSLError):
            return True
        return False


@contextmanager
def opened(server: Sekisho, path: str, token: str) -> Iterator[Stream]:
    """Open a stream."""
    context = ssl.create_default_context(cafile=str(server.folder / "data" / "tls" / "ca.crt"))
    connection = http.client.HTTPSConnection(
        "127.0.0.1", server.port, context=context, timeout=SECONDS
    )
    with closing(connection):
        connection.request("GET", path, headers={"Authorization": f"Bearer {token}"})
        response = connection.getresponse()
        assert response.status == 200, response.read()
        yield Stream(response)
