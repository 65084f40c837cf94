"""Executable references: what a safe implementation does, where upstream has none."""
