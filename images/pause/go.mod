module conformance.invalid/pause

go 1.24
