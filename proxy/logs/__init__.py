"""Log lines that neither block the event loop nor mix with each other, and the access log.

May import: ``proxy.request``; ``config``.
"""
