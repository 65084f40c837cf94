"""Drivers: each keeps the artifacts of one node and restores sessions from them."""
