"""Redirects and links of web pages behind ``services/…/proxy`` of a real API server.

The client addresses the cluster by ID or name at the proxy, or uses ``kubectl proxy``, with
``--append-server-path`` or with the path of the cluster in the request.
"""

import re
import shutil
import ssl
import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import urljoin, urlsplit

import pytest
from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By

from tests.support.browser import browser as browser
from tests.support.kubernetes import Kubernetes, start_kubectl
from tests.support.sekisho import SekishoWithUsers, free_port
from tests.support.waiting import wait_until
from tests.support.web_app import pod_address, web_app

SECONDS = 60.0

GO_FILES = """package main
import ("net/http"; "os")
func main() { http.ListenAndServe(os.Args[1], http.FileServer(http.Dir(os.Args[2]))) }
"""


@pytest.fixture(scope="module")
def address() -> str:
    found = pod_address()
    if found is None:
        pytest.skip("needs a non-loopback address: API servers do not proxy to loopback")
    return found


def put_service(kubernetes: Kubernetes, name: str, address: str, port: int) -> str:
    """Create a service whose pod has ``address``; return its path at the API server.

    API servers proxy only to addresses of pods.
    """
    base = f"/api/v1/namespaces/{kubernetes.namespace}"
    kubernetes.running_pod(name)
    status = {"status": {"podIP": address, "podIPs": [{"ip": address}]}}
    kubernetes.call(kubernetes.request("PATCH", f"{base}/pods/{name}/status", status))
    spec = {"ports": [{"name": "http", "port": 80, "targetPort": port}]}
    target = {"kind": "Pod", "namespace": kubernetes.namespace, "name": name}
    subset = {
        "addresses": [{"ip": address, "targetRef": target}],
        "ports": [{"name": "http", "port": port}],
    }
    for kind, body in (("services", {"spec": spec}), ("endpoints", {"subsets": [subset]})):
        made = {"metadata": {"name": name}, **body}
        kubernetes.call(kubernetes.request("POST", f"{base}/{kind}", made))
    return f"{base}/services/{name}:http/proxy"


@dataclass(frozen=True, slots=True)
class Route:
    """How a client reaches a cluster: the prefix of an API server's path.

    ``also`` is the prefix with the cluster's ID, which links contain.
    """

    root: str
    also: str
    token: str = ""
    ca_file: Path | None = None

    def get(self, url: str) -> tuple[str, bytes, str]:
        """Follow redirects from ``url``; return the last URL, its body and its media type."""
        headers = {"Accept-Encoding": "gzip"} if "gzip" in url else {}
        if self.token:
            headers["Authorization"] = f"Bearer {self.token}"
        request = urllib.request.Request(url, headers=headers)
        context = ssl.create_default_context(cafile=str(self.ca_file)) if self.ca_file else None
        opener = urllib.request.build_opener(urllib.request.HTTPSHandler(context=context))
        try:
            with opener.open(request, timeout=SECONDS) as response:
                return response.url, response.read(), response.headers.get_content_type()
        except urllib.error.HTTPError as exc:
            raise AssertionError(f"{exc.url}: {exc.code} {exc.read()[:500]!r}") from None


@contextmanager
def kubectl_proxy(proxy: SekishoWithUsers, *options: str) -> Iterator[str]:
    with start_kubectl(proxy.configs["alice"], "proxy", "--port=0", *options) as process:
        assert process.stdout is not None
        found = re.search(r"127\.0\.0\.1:\d+", process.stdout.readline())
        assert found is not None
        try:
            yield f"http://{found[0]}"
        finally:
            process.terminate()


@pytest.fixture(params=["by name", "by id", "kubectl proxy", "kubectl proxy that adds the path"])
def route(request: pytest.FixtureRequest, proxy: SekishoWithUsers) -> Iterator[Route]:
    clusters = proxy.request("GET", "/v1/clusters", token=proxy.token("root")).json()["items"]
    cluster_id = next(one["id"] for one in clusters if one["name"] == "test")
    ca_file = proxy.folder / "data" / "tls" / "ca.crt"
    if request.param.startswith("by"):
        name = "test" if request.param == "by name" else cluster_id
        by_name, by_id = (f"{proxy.url}/k8s/clusters/{one}" for one in (name, cluster_id))
        yield Route(by_name, by_id, proxy.token("alice"), ca_file)
    elif request.param == "kubectl proxy":
        with kubectl_proxy(proxy) as root:
            yield Route(f"{root}/k8s/clusters/{cluster_id}", f"{root}/k8s/clusters/{cluster_id}")
    else:
        with kubectl_proxy(proxy, "--append-server-path") as root:
            yield Route(root, root)


class Links(HTMLParser):
    """The absolute URLs of all references in a page, resolved as a browser does."""

    def __init__(self, url: str) -> None:
        super().__init__()
        self.base = url
        self.found: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for key, value in attrs:
            if key in {"href", "src", "action"} and value:
                if tag == "base":
                    self.base = urljoin(self.base, value)
                elif not value.startswith(("#", "http:", "https:", "data:", "mailto:")):
                    self.found.add(urljoin(self.base, value))


def crawl(route: Route, start: str, service: str, most: int = 25) -> dict[str, bytes]:
    """Return all pages reachable from ``start`` by their path below the service.

    Raises:
        AssertionError: if a link leads outside the service.
    """
    wanted = [route.root + service + start]
    seen: set[str] = set()
    pages: dict[str, bytes] = {}
    while wanted and len(seen) < most:
        target = wanted.pop()
        if target in seen:
            continue
        seen.add(target)
        url, body, kind = route.get(target)
        below = url.removeprefix(route.root).removeprefix(route.also).removeprefix(service)
        assert below.startswith("/"), f"{target} led to {url}"
        assert not below.startswith(("/k8s/", "/api/")), f"{target} led to {url}"
        pages[urlsplit(below).path] = body
        if kind == "text/html":
            links = Links(url)
            links.feed(body.decode("utf-8", "replace"))
            wanted += sorted(links.found - seen)
    return pages


@pytest.fixture(scope="module")
def grafana_like(kubernetes: Kubernetes, address: str) -> Iterator[str]:
    with web_app(address) as port:
        yield put_service(kubernetes, "pages", address, port)


@pytest.mark.parametrize(
    "start", ["/", "/absolute", "/up/and/up", "/out", "/gzip", "/login", "/files", "/d/one"]
)
def test_redirects_and_links_of_an_application_stay_below_its_service(
    route: Route, grafana_like: str, start: str
) -> None:
    pages = crawl(route, start, grafana_like)
    assert {"/login", "/public/app.js", "/public/app.css", "/d/one", "/files/"} <= pages.keys() or (
        start == "/files"
    )
    for body in pages.values():
        assert b"127.0.0.1" not in body


def test_redirects_and_links_of_prometheus_stay_below_its_service(
    route: Route, kubernetes: Kubernetes, address: str, prometheus: str
) -> None:
    pages = crawl(route, "/", prometheus)
    assert any(path.endswith(".js") for path in pages)
    assert len(pages) > 3


@pytest.fixture(scope="module")
def prometheus(
    kubernetes: Kubernetes,
    address: str,
    tmp_path_factory: pytest.TempPathFactory,
    prometheus_program: Path,
) -> Iterator[str]:
    program = str(prometheus_program)
    folder = tmp_path_factory.mktemp("prometheus")
    (folder / "prometheus.yml").write_text("{}")
    port = free_port()
    command = [
        program,
        f"--config.file={folder / 'prometheus.yml'}",
        f"--storage.tsdb.path={folder / 'data'}",
        f"--web.listen-address={address}:{port}",
    ]
    with serving(command, f"http://{address}:{port}/-/ready"):
        yield put_service(kubernetes, "prometheus", address, port)


@contextmanager
def serving(command: list[str], url: str) -> Iterator[None]:
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            wait_until(lambda: process.poll() is not None or responds(url), SECONDS)
            assert process.poll() is None
            yield
        finally:
            process.terminate()


def responds(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=SECONDS):
            return True
    except OSError:
        return False


@pytest.fixture(scope="module")
def file_server(
    kubernetes: Kubernetes, address: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    go = shutil.which("go")
    if go is None:
        pytest.skip("Go is needed: https://go.dev/doc/install")
    folder = tmp_path_factory.mktemp("files")
    (folder / "main.go").write_text(GO_FILES)
    build = [go, "build", "-o", str(folder / "server"), str(folder / "main.go")]
    subprocess.run(build, check=True, capture_output=True, timeout=600, cwd=folder)
    (folder / "files" / "sub").mkdir(parents=True)
    (folder / "files" / "sub" / "index.html").write_text('<a href="/other.txt">other</a>')
    (folder / "files" / "other.txt").write_text("other")
    port = free_port()
    command = [str(folder / "server"), f"{address}:{port}", str(folder / "files")]
    with serving(command, f"http://{address}:{port}/"):
        yield put_service(kubernetes, "files", address, port)


@pytest.mark.parametrize("start", ["/", "/sub", "/sub/index.html"])
def test_redirects_and_links_of_a_go_file_server_stay_below_its_service(
    route: Route, file_server: str, start: str
) -> None:
    pages = crawl(route, start, file_server)
    assert {"/sub/", "/other.txt"} <= pages.keys()


@pytest.mark.parametrize("adds_path", [False, True])
def test_application_behind_kubectl_proxy_works_in_a_browser(
    browser: Chrome, proxy: SekishoWithUsers, grafana_like: str, *, adds_path: bool
) -> None:
    with kubectl_proxy(proxy, *(["--append-server-path"] if adds_path else [])) as root:
        before = root if adds_path else f"{root}/k8s/clusters/test"
        browser.get(before + grafana_like + "/")
        wait_until(lambda: browser.title == "running", SECONDS)
        color = browser.find_element(By.TAG_NAME, "body").value_of_css_property("color")
        assert color.startswith("rgba(1, 2, 3")
        for button in ("next", "send"):
            browser.find_element(By.ID, button).click()
            wait_until(lambda: browser.title == "one", SECONDS)
            assert "/proxy/d/one" in browser.current_url
            browser.find_element(By.ID, "back").click()
            wait_until(lambda: browser.title == "running", SECONDS)
