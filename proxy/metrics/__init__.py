"""Metric families, and the counters of the hot path.

Main classes: ``ProxyMetrics`` and ``RequestMetrics``. May import: ``proxy.limits``;
``management.authentication``, store interfaces.
"""
