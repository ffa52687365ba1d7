"""Readiness, the ``/metrics`` application, and collectors that read the state of other objects.

May import: ``proxy.upstream`` and the packages below it; ``management``. Not ``proxy.auth``.
"""
