"""The snapshot controller: builds what SandboxSnapshots ask for, and alone knows which artifacts are usable.

`facts` is what a pass has read, `placement` which nodes are targets, `planner` what the record becomes,
`statuses` what the snapshot's status says of it, `builds` which Sandboxes and tasks that takes, all of them
pure. `passes` reads and writes, `flow` puts that in order: the record first, then what follows from it, so
that a controller that is killed anywhere goes on where it was.
"""
