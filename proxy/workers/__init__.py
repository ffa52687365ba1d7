"""The supervisor process and its worker processes: start, watch, restart, scrape.

Main classes: ``WorkerPool`` starts and replaces workers; ``WorkerScraper`` reads their metrics,
``MetricsAccumulator`` merges them.
May import: ``proxy.server`` and the packages below it; ``config``.
"""
