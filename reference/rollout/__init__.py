"""Rollout of agents on Agent Substrate: substrate, agent controller and gateway, each a process."""
