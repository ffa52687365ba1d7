"""The gate: what stands between a Kubernetes client and a cluster's API server.

:mod:`proxy.app` puts everything together; :mod:`proxy.gate` is the data path of one request.
"""
