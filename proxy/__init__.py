"""The reverse proxy in front of Kubernetes clusters, the composition root and the command line.

Main modules: :mod:`proxy.app` builds the application; :mod:`proxy.forwarding.handler` is the data
path of one request. It may import every other top-level package; none imports it.
"""
