"""A management cluster: Kubernetes with the real Cluster API and a provider of the tests' own.

The *core manager* is Cluster API's own program. The *stand-in* provider makes what an
infrastructure provider makes, as processes: each created cluster is a kube-apiserver with etcd, and
each machine is a Node in it.
"""
