"""Rewriting of links in HTML pages that arrive in any pieces."""

import gzip
import itertools
import time
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.response.html_links import MAX_TAG, MAX_TAGS, HtmlLinks
from proxy.response.pages import MIN_GROWN, PageTooDense, RewrittenPage, page_of


def moved(link: bytes) -> bytes:
    return b"/p" + link if link.startswith(b"/") else link


def rewritten(page: bytes, *cuts: int) -> bytes:
    links = HtmlLinks(moved)
    offsets = [0, *sorted(cuts), len(page)]
    out = b"".join(links.feed(page[a:b]) for a, b in itertools.pairwise(offsets))
    return out + links.feed(b"", last=True)


PAGES = [
    (b'<a href="/x">t</a>', b'<a href="/p/x">t</a>'),
    (b"<a href='/x'>", b"<a href='/p/x'>"),
    (b"<a href=/x>", b"<a href=/p/x>"),
    (b"<A\n HREF = '/x' >", b"<A\n HREF = '/p/x' >"),
    (b"<img alt=x src=/a.png/>", b"<img alt=x src=/p/a.png/>"),
    (b"<link href=/a rel=x><script src='/b'></script>",
     b"<link href=/p/a rel=x><script src='/p/b'></script>"),
    (b'<base href="/">', b'<base href="/p/">'),
    (b'<form action="/f" data-href="/g">', b'<form action="/p/f" data-href="/g">'),
    (b'<img src="/a" longdesc="/b" title="/c">', b'<img src="/p/a" longdesc="/p/b" title="/c">'),
    (b'<a href="/x?a=1&amp;b=2">', b'<a href="/p/x?a=1&amp;b=2">'),
    (b'<a href="&#47;x">', b'<a href="/p/x">'),
    (b'<a href="x">', b'<a href="x">'),
    (b'<a title="a > b" href="/x">', b'<a title="a > b" href="/p/x">'),
    (b"<a title=it's href=/x>", b"<a title=it's href=/p/x>"),
    (b'<a href>y</a><a href="/z">', b'<a href>y</a><a href="/p/z">'),
    (b'<a =href="/x" href="/y">', b'<a =href="/x" href="/p/y">'),
    (b'<p href="/x">', b'<p href="/x">'),
    (b'<ahref="/x">', b'<ahref="/x">'),
    (b'<!-- <a href="/x"> --><a href="/y">', b'<!-- <a href="/x"> --><a href="/p/y">'),
    (b'<!--><a href="/y">', b'<!--><a href="/p/y">'),
    (b"<p title='<a href=/x>'><b>", b"<p title='<a href=/p/x>'><b>"),
    (b'<!doctype html><a href="/y">', b'<!doctype html><a href="/p/y">'),
    (b'<script>"<a href=\'/x\'>"</script ><a href="/y">',
     b'<script>"<a href=\'/x\'>"</script ><a href="/p/y">'),
    (b'<style>a</stylex><a href="/x"></STYLE><a href="/y">',
     b'<style>a</stylex><a href="/x"></STYLE><a href="/p/y">'),
    (b"1 < 2 <3 <a href=/x>", b"1 < 2 <3 <a href=/p/x>"),
    ("<a href='/\u00e9'>\u00fc".encode(), "<a href='/p/\u00e9'>\u00fc".encode()),
    (b"<a href='/\xff'>\xfe", b"<a href='/p/\xff'>\xfe"),
    (b'<a href="/x', b'<a href="/x'),
    (b"<", b"<"),
    (b"<!-", b"<!-"),
]  # fmt: skip


@pytest.mark.parametrize(("page", "expected"), PAGES)
def test_only_links_of_the_same_host_are_rewritten(page: bytes, expected: bytes) -> None:
    assert rewritten(page) == expected
    for cut in range(len(page)):
        assert rewritten(page, cut) == expected
    assert rewritten(page, *range(len(page))) == expected


@given(
    st.lists(st.sampled_from([one for one, _ in PAGES]), max_size=6), st.sets(st.integers(0, 300))
)
def test_page_in_any_pieces_is_rewritten_the_same(parts: list[bytes], cuts: set[int]) -> None:
    page = b"".join(parts)
    assert rewritten(page, *(cut for cut in cuts if cut <= len(page))) == rewritten(page)


@given(st.binary(max_size=300), st.sets(st.integers(0, 300)))
def test_bytes_that_are_not_html_are_unchanged(noise: bytes, cuts: set[int]) -> None:
    links = HtmlLinks(lambda link: link)
    offsets = [0, *sorted(cut for cut in cuts if cut <= len(noise)), len(noise)]
    out = b"".join(links.feed(noise[a:b]) for a, b in itertools.pairwise(offsets))
    assert out + links.feed(b"", last=True) == noise


@pytest.mark.parametrize(
    "unit", [b"<", b"<a ", b"<a href=/x>", b"<!--", b"<a href='", b"</", b"<script>", b"a=", b"'>"]
)
def test_page_is_rewritten_in_linear_time(unit: bytes) -> None:
    def seconds(size: int) -> float:
        page = unit * (size // len(unit))
        began = time.process_time()
        rewritten(page, *range(0, size, 65536))
        return time.process_time() - began

    seconds(2**16)
    assert seconds(2**21) < 20 * seconds(2**18) + 0.5


def test_page_after_the_maximum_of_tags_is_unchanged() -> None:
    tag = b'<a href="/x">'
    out = rewritten(tag * (MAX_TAGS + 9))
    assert out == b'<a href="/p/x">' * MAX_TAGS + tag * 9


def test_tag_without_end_is_not_buffered() -> None:
    links = HtmlLinks(moved)
    assert len(links.feed(b"<a title='" + b"x" * 2 * MAX_TAG)) > MAX_TAG
    assert links.feed(b"'><a href='/x'>", last=True).endswith(b"<a href='/p/x'>")


HTML = (b"Content-Type", b"Text/HTML; charset=utf-8")


@pytest.mark.parametrize(
    ("encoding", "packed"),
    [
        (b"gzip", gzip.compress),
        (b"x-gzip", gzip.compress),
        (b"deflate", zlib.compress),
        (b"deflate", lambda data: zlib.compress(data, wbits=-15)),
        (b"identity", bytes),
    ],
)
def test_compressed_page_is_rewritten(encoding: bytes, packed: "type[bytes]") -> None:
    page = page_of(200, [HTML, (b"content-encoding", encoding)], moved)
    assert page is not None
    data = packed(b'<a href="/x">' * 1000)
    out = b"".join(page.feed([data[at : at + 7]], last=False) for at in range(0, len(data), 7))
    assert out + page.feed([], last=True) == b'<a href="/p/x">' * 1000


@pytest.mark.parametrize(
    ("status", "headers"),
    [
        (200, [(b"Content-Type", b"application/json")]),
        (200, []),
        (200, [HTML, (b"Content-Encoding", b"br")]),
        (200, [HTML, (b"Content-Encoding", b"gzip, br")]),
        (206, [HTML]),
        (304, [HTML]),
    ],
)
def test_response_that_is_not_a_readable_page_is_unchanged(
    status: int, headers: list[tuple[bytes, bytes]]
) -> None:
    assert page_of(status, headers, moved) is None


@pytest.mark.parametrize(
    "data",
    [
        gzip.compress(bytes(80 * MIN_GROWN), mtime=0),
        b"no gzip at all",
        gzip.compress(b"<a href='/x'>", mtime=0)[:-9],
    ],
)
def test_page_that_grows_too_much_or_is_damaged_raises(data: bytes) -> None:
    page = page_of(200, [HTML, (b"Content-Encoding", b"gzip")], moved)
    assert isinstance(page, RewrittenPage)
    with pytest.raises(PageTooDense):
        page.feed([data], last=True)


def test_empty_page_with_content_encoding_is_accepted() -> None:
    page = page_of(200, [HTML, (b"Content-Encoding", b"gzip")], moved)
    assert page is not None
    assert page.feed([], last=True) == b""
