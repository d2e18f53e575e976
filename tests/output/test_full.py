"""The compiler-like format draws the witness into the source."""

from __future__ import annotations

from dataclasses import replace

from handmade import SOURCE, at

from graphlint.findings import Finding, Measured, WitnessEvent
from graphlint.output import Options, no_sources
from graphlint.output.full import render


def drawn(finding: Finding, source: str = SOURCE) -> str:
    return render([finding], lambda _filename: source, Options())


def test_marks_finding_and_witness(unneeded: Finding) -> None:
    assert drawn(unneeded) == (
        "a.py:7:1: RG101 [*] No later pass visits the graph that this pass keeps: "
        "drop `retain_graph`.\n"
        "  |\n"
        "5 | z = y.mean()\n"
        "  |     -------- builds the graph\n"
        "6 |\n"
        "7 | z.backward(retain_graph=True)\n"
        "  | ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^ keeps the graph, and no later pass visits it\n"
        "  |\n"
        "  = fix: Drop `retain_graph=True`.\n"
        "\n"
    )


def test_two_notes_at_one_place_share_their_marks(unneeded: Finding) -> None:
    first, second = (WitnessEvent("a.py", at(7, 1), message) for message in ("one", "two"))
    text = drawn(replace(unneeded, witness=(first, second)))
    assert "  | ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^ one\n" in text
    assert f"  | {' ' * 30}two\n" in text


def test_events_are_numbered_when_they_run_against_the_text(unneeded: Finding) -> None:
    text = drawn(replace(unneeded, witness=unneeded.witness[::-1]))
    assert "(1) keeps the graph" in text
    assert "(2) builds the graph" in text


def test_call_over_several_lines(unneeded: Finding) -> None:
    source = "z.backward(\n    retain_graph=True,\n)\n"
    call = replace(unneeded, location=at(1, 1), end_location=at(3, 2), witness=())
    assert drawn(call, source).splitlines()[2:8] == [
        "1 | z.backward(",
        "  | ^^^^^^^^^^^",
        "2 |     retain_graph=True,",
        "  |     ^^^^^^^^^^^^^^^^^^",
        "3 | )",
        "  | ^",
    ]


def test_long_call_is_abridged(unneeded: Finding) -> None:
    source = "f(\n" + "    1,\n" * 40 + ")\n"
    call = replace(unneeded, location=at(1, 1), end_location=at(42, 2), witness=())
    lines = drawn(call, source).splitlines()
    assert "..." in lines
    assert len(lines) < 16


def test_tabs_and_wide_characters_keep_the_marks_in_place(unneeded: Finding) -> None:
    source = "\tnum = '宽', z.backward()\n"
    column = source.index("z") + 1
    call = replace(
        unneeded, location=at(1, column), end_location=at(1, column + 12), witness=(), fix=None
    )
    line, marks = drawn(call, source).splitlines()[2:4]
    assert line.index("z.") + 1 == marks.index("^")  # the wide character takes two columns
    assert marks.count("^") == len("z.backward()")


def test_witness_in_another_file_gets_its_own_picture(unneeded: Finding) -> None:
    event = WitnessEvent("model.py", at(5, 5), "builds the graph", at(5, 13))
    text = drawn(replace(unneeded, witness=(event, unneeded.witness[1])))
    assert "  ::: model.py:5\n" in text


def test_without_source_the_message_is_still_there(unneeded: Finding) -> None:
    lines = render([unneeded], no_sources, Options()).splitlines()
    assert lines == [lines[0], "  = fix: Drop `retain_graph=True`.", ""]


def test_place_beyond_the_file_draws_nothing(unneeded: Finding) -> None:
    lost = replace(unneeded, location=at(99, 1), end_location=at(99, 2), witness=())
    assert drawn(lost).startswith("a.py:99:1: RG101")


def test_measured_bytes(unneeded: Finding) -> None:
    facts = Measured(3, 120_000.0, 120_000, 2_200.0, 0, 0.1)
    text = drawn(replace(unneeded, measured=facts))
    said = "called 3 times, kept 117.2 KiB a time, 2.1 KiB of it held by nothing else"
    assert f"  = measured: {said}; never visited again\n" in text


def test_colour_only_on_demand(unneeded: Finding) -> None:
    coloured = render([unneeded], lambda _filename: SOURCE, Options(color=True))
    assert "\033[" in coloured
    assert "\033[" not in drawn(unneeded)
