"""A node of the cluster whose Pods are processes: kubelet, runtime layer and node agent in one program."""
