module conformance.invalid/workload

go 1.24
