"""Connections of clients: aiohttp's server and protocol, and dispatch between proxy and API.

Main classes: ``ProxyServer`` creates connections; ``ClientConnection`` is one. Only
``aiohttp_internals`` uses private names of aiohttp. May import: ``proxy.request``, ``response``,
``limits``; ``management.api`` and ``management.http`` (names that both sides share).
"""
