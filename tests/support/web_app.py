"""A web application behind ``services/…/proxy`` with all forms of redirects and links.

It behaves like Grafana (``Location: /login``, ``<base href="/">``, scripts by absolute paths),
like Go's ``http.FileServer`` (relative redirects), and like frameworks that trust ``Host``. Like
pods, it listens on an address that isn't loopback, because an API server connects to no other.
"""

import gzip
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

LOGIN = b"""<!doctype html><html><head><base href="/"><title>loading</title>
<link rel="stylesheet" href="public/app.css"><script src="/public/app.js" defer></script></head>
<body><a id="next" href="/d/one?a=1&amp;b=2">next</a> <a href='files/'>files</a>
<form action="/d/one"><button id="send">send</button></form></body></html>"""

REDIRECTS = {
    "/": "/login",
    "/files": "files/",
    "/files/index.html": "./",
    "/up/and/up": "../../login",
    "/out": "/../../../../../../../../../login",  # more levels than the API server's path
}


def pod_address() -> str | None:
    """Return an address of this machine that isn't loopback, or None."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("203.0.113.1", 9))  # sends nothing
        except OSError:
            return None
        found = str(probe.getsockname()[0])
    return None if found.startswith("127.") else found


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        if path == "/absolute":
            self._send(302, b"", Location=f"http://{self.headers['Host']}/login")
        elif path in REDIRECTS:
            self._send(302, b"", Location=REDIRECTS[path])
        elif path == "/login":
            self._send(200, LOGIN, Set_Cookie="a=b", Clear_Site_Data='"*"')
        elif path == "/gzip":
            self._send(200, gzip.compress(LOGIN), Content_Encoding="gzip")
        elif path == "/public/app.js":
            self._send(200, b"document.title = 'running'", kind="text/javascript")
        elif path == "/public/app.css":
            self._send(200, b"body { color: rgb(1, 2, 3) }", kind="text/css")
        elif path in {"/d/one", "/files/"}:
            self._send(200, b"<title>one</title><a id=back href=/login>back</a>")
        else:
            self._send(404, b"nothing here")

    def _send(self, status: int, body: bytes, *, kind: str = "text/html", **more: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", f"{kind}; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        for name, value in more.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def web_app(address: str) -> Iterator[int]:
    """Run the application; yields its port."""
    server = ThreadingHTTPServer((address, 0), _Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield int(server.server_address[1])
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
