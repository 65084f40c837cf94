"""The artifact store: versioned texts by key, written by compare-and-set."""
