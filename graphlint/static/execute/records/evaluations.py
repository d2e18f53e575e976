"""What the executor learned of models in evaluation mode, on its way to the rules."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from graphlint.static import ir
from graphlint.static.execute.paths.graph import Leaf
from graphlint.static.execute.paths.values import NodeId
from graphlint.trace import Doubt, Evaluation, Site


@dataclass(slots=True)
class EvaluationRecords:
    """Collects the calls of models in evaluation mode, and what becomes of their graphs.

    Attributes:
        sites: the calls that built a graph, with what weakens the claim that it is for nobody.
        strange: the parameters of unknown models that the calls' graphs lead to, where these are
            all.
        nodes: which call built a node.
        used: calls whose graphs are differentiated, or may be, or were not built each time.
        trained: parameters that an optimizer has.
        decorated: functions with decorators that are not known.
    """

    sites: dict[Site, frozenset[Doubt]] = field(default_factory=dict)
    strange: dict[Site, frozenset[Leaf]] = field(default_factory=dict)
    nodes: dict[NodeId, Site] = field(default_factory=dict)
    used: set[Site] = field(default_factory=set)
    trained: set[Leaf] = field(default_factory=set)
    decorated: set[ir.Function] = field(default_factory=set)

    def forget_names(self) -> None:
        """Settle what is known by names, which are about to be given to other things."""
        self.used.update(site for site in self.strange if not self._is_trained(site))
        self.strange.clear()
        self.nodes.clear()
        self.trained.clear()

    @contextmanager
    def left_alone(self) -> Iterator[None]:
        """Believe of no further call that its graph is for nobody."""
        before = set(self.sites)
        try:
            yield
        finally:
            self.used.update(self.sites.keys() - before)

    def unused(self) -> tuple[Evaluation, ...]:
        """Return the calls that built graphs for nobody, each time."""
        return tuple(
            Evaluation(site, doubts)
            for site, doubts in self.sites.items()
            if site not in self.used and self._is_trained(site)
        )

    def _is_trained(self, site: Site) -> bool:
        """Whether parameters are known to want gradients: those of an unknown model if trained."""
        return site not in self.strange or not self.trained.isdisjoint(self.strange[site])
