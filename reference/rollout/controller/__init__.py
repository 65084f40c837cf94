"""The agent controller: turns an agent's config into an ActorTemplate, and retires the ones before it."""
