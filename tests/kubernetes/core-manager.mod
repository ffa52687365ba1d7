// Cluster API for the tests of provisioning, apart from Kubernetes' own modules: neither rebuilds
// the other. `test` has no part in the program: its custom resources are checked against.
module sekisho.invalid/tests/kubernetes

go 1.26.0

require (
	sigs.k8s.io/cluster-api v1.14.2
	sigs.k8s.io/cluster-api/api v1.14.2
	sigs.k8s.io/cluster-api/test v1.14.2
)
