"""What a node is put together from: the right parts, or with mutants in their place."""

from __future__ import annotations

from dataclasses import dataclass

from reference.snapstart.node.agent import Agent
from reference.snapstart.node.kubelet import Kubelet
from reference.snapstart.node.runtimelayer import RuntimeLayer


@dataclass(frozen=True)
class Parts:
    """Classes."""

    layer: type[RuntimeLayer] = RuntimeLayer
    kubelet: type[Kubelet] = Kubelet
    agent: type[Agent] = Agent
