"""What the executor learned about gradients, on its way to the rules."""

from __future__ import annotations

from collections.abc import Container, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from graphlint.static.execute.paths.values import NodeId
from graphlint.trace import ConstantTerm, Creation, Doubt, Form, GradRead, RetainGrad, Site


@dataclass(frozen=True, slots=True)
class Maker:
    """A call that makes differentiable gradients, and the call that wrote its `create_graph`."""

    site: Site
    at: Site
    form: Form


@dataclass(slots=True)
class GradientRecords:
    """Collects what the paths of a program do with gradients.

    Attributes:
        passes: the calls that ran passes of torch's own.
        makers: the passes that made differentiable gradients.
        doubts: what weakens the claim that a maker's gradients are never thrown away; hooks: makers
            over graphs of unknown code, whose hooks may get the gradients.
        nodes: which maker made the graph of a gradient.
        used: makers whose gradients are differentiated, or may be.
        cleared: calls whose gradients are thrown away later.
        retained: the calls of `retain_grad`, and whether each tensor was a leaf.
        read: calls of `retain_grad` of which somebody reads the gradient, or may.
        missing: where a gradient is read that is not there.
        checked: reads that only ask whether there is a gradient.
        constant: gradients that a loss takes for constants.
    """

    passes: dict[Site, None] = field(default_factory=dict)
    makers: dict[Maker, None] = field(default_factory=dict)
    doubts: dict[tuple[Maker, Doubt], None] = field(default_factory=dict)
    hooks: set[Maker] = field(default_factory=set)
    nodes: dict[NodeId, Maker] = field(default_factory=dict)
    used: set[Maker] = field(default_factory=set)
    cleared: set[Site] = field(default_factory=set)
    retained: dict[tuple[Site, bool], None] = field(default_factory=dict)
    read: set[Site] = field(default_factory=set)
    missing: dict[GradRead, None] = field(default_factory=dict)
    checked: set[Site] = field(default_factory=set)
    constant: dict[ConstantTerm, None] = field(default_factory=dict)

    def cut_short(self, sites: Container[Site]) -> None:
        """Note that gradients which passes returned may have been differentiated yet."""
        returned = (maker for maker in self.makers if maker.form is Form.AUTOGRAD_GRAD)
        self.used.update(maker for maker in returned if maker.site in sites)

    @contextmanager
    def left_alone(self) -> Iterator[None]:
        """Believe of no further gradient that it is made, read or asked for in vain."""
        makers, retained = set(self.makers), self.retained.copy()
        missing, constant = self.missing.copy(), self.constant.copy()
        try:
            yield
        finally:
            self.used.update(self.makers.keys() - makers)
            self.retained, self.missing, self.constant = retained, missing, constant

    def creations(self) -> tuple[Creation, ...]:
        """Return the passes that made differentiable gradients."""
        return tuple(
            Creation(
                maker.site,
                maker.at,
                maker.form,
                maker in self.used,
                maker.site in self.cleared,
                frozenset(doubt for of, doubt in self.doubts if of == maker),
                maker in self.hooks,
            )
            for maker in self.makers
        )

    def retained_grads(self) -> tuple[RetainGrad, ...]:
        """Return the calls of `retain_grad`, each once."""
        sites = dict.fromkeys(site for site, _ in self.retained)
        return tuple(
            RetainGrad(site, (site, False) not in self.retained, site in self.read)
            for site in sites
        )

    def grad_reads(self) -> tuple[GradRead, ...]:
        """Return where a gradient is read that is not there."""
        return tuple(read for read in self.missing if read.site not in self.checked)
