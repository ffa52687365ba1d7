"""Supervised tasks, garbage collector and allocator tuning, periodic maintenance.

May import: ``management.backoff``, store interfaces. Nothing else of ``proxy``.
"""
