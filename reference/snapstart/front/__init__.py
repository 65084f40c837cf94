"""The session front: creates sessions, restored where the template has a usable snapshot, cold otherwise."""
