"""SnapStart: sandboxes restored from snapshots, with a cold start always to fall back on."""
