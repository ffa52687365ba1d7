"""Serve the browser's pages and static files.

:mod:`.pages` has the routes; :class:`.static_responses.StaticResponse` is a response that is built
once. May import: ``management.api``.
"""
