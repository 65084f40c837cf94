"""The injection protocol: what turns a runtime that waits at its safe point into a session."""
