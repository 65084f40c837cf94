"""The gateway: from an A2A request to the right actor, and back (contract sections 5, 9 and 11)."""
