"""From the recorder's sums to the trace that the shared rules judge."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from graphlint.runtime.calls import Sources
from graphlint.runtime.clashes import ClashRecord
from graphlint.runtime.frames import Place
from graphlint.runtime.marks import Visit
from graphlint.runtime.recorder import Recorder
from graphlint.runtime.runs import Outcome, RunShape, open_shapes
from graphlint.runtime.sites import SiteRecord
from graphlint.runtime.steps import clears_gradients, step_between
from graphlint.runtime.stores import is_container, store_of
from graphlint.runtime.warned import read_in
from graphlint.trace import (
    Broken,
    Clash,
    Creation,
    GradRead,
    Hold,
    Keeping,
    Pass,
    Reuse,
    Run,
    Site,
    Trace,
)

# Programs add up the gradients of so many passes at most, as a rule, before they take a step.
_ACCUMULATED = 16


def make_trace(recorder: Recorder, visits: list[Visit], final: bool, sources: Sources) -> Trace:
    """Write down what a run showed, each distinct outcome of a call's passes once.

    A call some of whose passes could not be followed to their end (its graph was too large) has no
    runs in the trace, as nothing can be claimed of all its passes.

    Args:
        recorder: what was recorded.
        visits: the passes that still keep something.
        final: the program is over: nobody will visit that any more.
        sources: reads the calls' source.
    """
    sites = recorder.sites
    calls = [sources.call(site) for site in sites]
    shapes = [(site, shape) for site in sites for shape in site.shapes]
    shapes += open_shapes(visits, final)
    runs = dict.fromkeys(
        _run(site, shape, sources) for site, shape in shapes if shape.passes and not site.truncated
    )
    return Trace(
        runs=tuple(runs),
        clashes=tuple(_clashes(recorder, sources)),
        calls=tuple(call for call in calls if call and (call.retain or call.create)),
        holds=tuple(_holds(recorder, sources)),
        grad_reads=tuple(_grad_reads(recorder, sources)),
        creations=tuple(_creations(shapes, None if final else visits, sources)),
        observed=True,
    )


def _creations(
    shapes: Iterable[tuple[SiteRecord, RunShape]], visits: list[Visit] | None, sources: Sources
) -> Iterator[Creation]:
    """Yield the calls all of whose passes made differentiable gradients.

    Who visits these visits what the pass kept, so that a pass which nobody visited again made them
    for nobody.

    Args:
        shapes: the runs of all calls.
        visits: the passes that still keep something, None when the program is over.
        sources: reads the calls' source.
    """
    unsettled = {visit.site for visit in visits or ()}
    outcomes: dict[SiteRecord, list[Outcome]] = {}
    for site, shape in shapes:
        outcomes.setdefault(site, []).extend(outcome for _, outcome in shape.passes)
    for site, seen in outcomes.items():
        if seen and all(each.creates for each in seen) and site not in unsettled:
            used = bool(site.truncated) or any(each.reuses for each in seen)
            place = sources.site(site)
            left = visits is None and _are_left(site, sources)
            yield Creation(place, place, site.form, differentiated=used, cleared=not left)


def _are_left(site: SiteRecord, sources: Sources) -> bool:
    """Whether nothing throws the gradients away that a call's passes left in leaves.

    After a few passes the next iteration might have, had there been one: where the file throws
    gradients away somewhere, only a call that never had it happen is believed.
    """
    if not site.leftovers.remain:
        return False
    return site.leftovers.passes > _ACCUMULATED or not clears_gradients(sources.tree(site.filename))


def _grad_reads(recorder: Recorder, sources: Sources) -> Iterator[GradRead]:
    """Yield the reads of gradients that torch has warned of, where the line has just one."""
    for filename, row in sorted(recorder.warned):
        read = read_in(row, sources.tree(filename))
        if read is not None:
            yield GradRead(sources.part(Place(filename, "", row), read))


def _run(site: SiteRecord, shape: RunShape, sources: Sources) -> Run:
    return Run(
        tuple(
            Pass(
                site=sources.site(site),
                form=site.form,
                asked=sources.asks(site, outcome.creates),
                creates=outcome.creates,
                ordinal=ordinal,
                reuses=_reuses(outcome, sources),
                compiled=outcome.compiled,
                refused=outcome.refused,
            )
            for ordinal, outcome in shape.passes
        )
    )


def _reuses(outcome: Outcome, sources: Sources) -> tuple[Reuse, ...]:
    return tuple(
        Reuse(sources.site(again.by), again.by.believes(again.carried), apart=again.apart)
        for again in outcome.reuses
    )


def _holds(recorder: Recorder, sources: Sources) -> Iterator[Hold]:
    """Yield the statements that keep the graph of every iteration, which a pass has freed."""
    for keeper, freed_by in recorder.lookout.leaks.items():
        store = store_of(keeper, sources.tree(keeper.place.filename))
        if store is not None:
            statement, name = store
            yield Hold(
                site=sources.part(keeper.place, statement),
                how=Keeping.CONTAINER if is_container(keeper) else Keeping.SUM,
                name=name,
                freed=sources.site(freed_by),
            )


def _clashes(recorder: Recorder, sources: Sources) -> Iterator[Clash]:
    """Yield the passes that raised; those without a known culprit only where there needs none.

    A pass that visits freed nodes has an earlier pass behind it always: where that left no mark,
    there is nothing to say about it.
    """
    for clash in recorder.passes.clashes:
        if clash.earlier is not None or clash.why is Broken.MODIFIED:
            yield Clash(
                why=clash.why,
                earlier=sources.site(clash.earlier) if clash.earlier else None,
                later=sources.site(clash.later),
                carried=clash.later.believes(clash.carried),
                step=_step(clash, sources),
            )


def _step(clash: ClashRecord, sources: Sources) -> Site | None:
    """Return the optimizer step that changed what a refused pass had saved, where it is known."""
    if clash.earlier is None:
        return None
    tree = sources.tree(clash.later.filename)
    step = step_between(clash.earlier, clash.later, clash.optimizers, tree)
    place = Place(clash.later.filename, clash.later.function, 0)
    return sources.part(place, step) if step else None
