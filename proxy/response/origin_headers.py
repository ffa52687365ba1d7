"""Response headers that act on the whole origin, and not only on their own response. Pure.

Every cluster, and every pod behind a ``proxy`` subresource, shares Sekisho's one origin. Only
Sekisho decides about state that a browser stores for that origin, and about access by other sites:
a pod must not delete its cookies, pin its protocol, collect its network errors or open it to
another site. Headers about one document or resource (``Content-Security-Policy``,
``Cache-Control``) pass. A header that a reverse proxy in front of Sekisho would obey is dropped for
the same reason.
"""

ORIGIN_WIDE = frozenset(
    {
        # State that a browser keeps for the origin: cookies, storage, sign-in, dictionaries.
        b"clear-site-data",
        b"set-cookie",
        b"set-cookie2",
        b"p3p",
        b"activate-storage-access",
        b"shared-storage-write",
        b"set-login",
        b"idp-signin-status",
        b"use-as-dictionary",
        # Credentials: a browser stores them and sends them to the whole origin.
        b"www-authenticate",
        b"optional-www-authenticate",
        b"authentication-info",
        b"authentication-control",
        b"proxy-authentication-info",
        # Later connections of a browser to the origin.
        b"strict-transport-security",
        b"public-key-pins",
        b"public-key-pins-report-only",
        b"expect-ct",
        b"expect-staple",
        b"alt-svc",
        b"alternate-protocol",
        b"http2-settings",
        # Reports of a browser.
        b"nel",
        b"report-to",
        b"reporting-endpoints",
        # Later requests of a browser to the origin, and how it runs the origin's pages.
        b"accept-ch",
        b"accept-ch-lifetime",
        b"critical-ch",
        b"origin-agent-cluster",
        b"origin-isolation",
        b"origin-policy",
        b"origin-trial",
        b"service-worker-allowed",
        b"service-worker-navigation-preload",
        b"speculation-rules",
        b"supports-loading-mode",
        b"observe-browsing-topics",
        b"x-permitted-cross-domain-policies",
        # Navigation to other pages.
        b"refresh",
        # Access by other sites.
        b"timing-allow-origin",
        # Instructions to a reverse proxy in front of Sekisho.
        b"x-sendfile",
        b"x-lighttpd-send-file",
        b"x-lighttpd-send-tempfile",
    }
)

ORIGIN_WIDE_PREFIXES = (
    b"access-control-",
    b"ad-auction-",
    b"attribution-reporting-",
    b"sec-session-",
    b"secure-session-",
    b"shared-storage-cross-origin-",
    b"x-accel-",
    b"x-reproxy-",
)
"""Prefixes of families that grow, so that future headers are covered."""


def acts_on_origin(name: bytes) -> bool:
    """Return whether a header of that name, in lower case, acts on the whole origin."""
    return name in ORIGIN_WIDE or name.startswith(ORIGIN_WIDE_PREFIXES)
