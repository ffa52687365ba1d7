"""Optional second path: requests that need no waiting are handled inside ``data_received``.

Main classes: ``FastPathHandler`` authorizes and sends; ``FastPathConnection`` is the client
connection. May import: ``proxy.forwarding``, ``auth``, ``client``, ``upstream`` and the packages
below them; ``management.authentication``. Only :mod:`proxy.app` imports it, by
:mod:`proxy.fastpath.factory`: without this package Sekisho is slower and otherwise the same, which
tests/e2e/test_without_fast_path.py checks.
"""
