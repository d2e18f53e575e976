"""What a trace says of the passes that share a flag."""

from __future__ import annotations

from graphlint.trace import Pass, Reuse, Run, Site, Span, Trace

SITE = Site("rows.py", Span(3, 5, 3, 60))
LATER = Site("rows.py", Span(9, 5, 9, 20))


def reused(*passes: Pass) -> bool:
    """Return whether the flag of the only call of a trace made anything of use."""
    (kept,) = Trace(runs=tuple(Run((each,)) for each in passes)).retentions()
    return kept.reused


def test_create_graph_alone_would_have_kept_what_another_call_visits() -> None:
    differentiated = Pass(SITE, creates=True, reuses=(Reuse(LATER),))
    assert not reused(differentiated, Pass(SITE))


def test_the_next_row_visits_the_graph_without_create_graph_as_well() -> None:
    first_row = Pass(SITE, creates=True, reuses=(Reuse(SITE),))
    assert reused(first_row, Pass(SITE))


def test_a_call_that_is_run_anew_is_no_next_row() -> None:
    once_more = Pass(SITE, creates=True, reuses=(Reuse(SITE, apart=True),))
    assert not reused(once_more, Pass(SITE))
