"""The agent controller: turns an agent's config into an ActorTemplate, and retires the ones before it.

A dialect (`dialect`) is one strategy for each part of a pass: `rendering` (pure: config to template),
`applying`, `retiring`, `deleting`, and the order of these in `flows`. `plan` (pure) says who is desired,
active and superseded; `holdings` and `steps` are about actors; `passes` is what a pass works on and with;
`controller` decides when there is one. `mutants` are dialects that do one thing wrong.

Not built on kopf, which is about events and handlers: it keeps their progress in annotations of the object
and sets a finalizer of its own, where the contract says what may be written to an agent and when (C1, C2).
lightkube and the informers and work queue of `reference.rollout` are level-triggered, as controller-runtime
is.
"""
