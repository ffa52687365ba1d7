"""Benchmarks of the proxy beside its alternatives; see docs/performance.md."""
