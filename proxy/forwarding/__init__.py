"""The request path: handler, forwarding with retries, upgrades, and the lifecycle of a request.

Main classes: ``ProxyHandler`` handles a request; ``RequestLifecycle`` begins a ``RequestScope`` for
each. May import: ``proxy.auth``, ``upstream``, ``audit``, ``client``, ``limits``, ``metrics`` and
the packages below them; ``management.authentication``, ``management.http``.
"""
