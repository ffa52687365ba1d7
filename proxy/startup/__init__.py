"""From files and environment to a checked configuration and an open store.

Used before an application exists. May import: ``proxy.transport``, ``files``; ``config``,
``store``, ``providers``, ``management.identity``.
"""
