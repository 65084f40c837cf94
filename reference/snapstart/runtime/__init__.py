"""The runtime of sandboxes: it loads what all sessions need, and is one session, or what sessions are made
of.

In `--mode cold` it is a session as soon as it has loaded. In `--mode build` it waits at its safe point:
loaded, nothing of any user in it, one thread. From there it is captured (`control`, `template`), and what
was captured is restored as a session by the injection protocol (`reference.snapstart.inject`).
"""
