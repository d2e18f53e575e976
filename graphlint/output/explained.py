"""What happens on a line: a sentence, and the events that bear it out, drawn into the source."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from graphlint.explaining import Story
from graphlint.findings import Location
from graphlint.output import Options, Sources
from graphlint.output.picture import gutter_width, picture
from graphlint.output.snippet import Mark
from graphlint.output.style import Style
from graphlint.output.wording import shown_name
from graphlint.trace import Site


def render(stories: Sequence[Story], sources: Sources, options: Options) -> str:
    """Return each story with its picture, an empty line between them."""
    return "\n".join(
        "".join(f"{line}\n" for line in _lines(story, sources, options)) for story in stories
    )


def _lines(story: Story, sources: Sources, options: Options) -> Iterator[str]:
    style = Style(options.color)
    place = f"{shown_name(story.site.filename, options)}:{story.site.row}:{story.site.span.column}"
    yield f"{style.bold(place)}: {story.headline}"
    marks = _marks(story)
    width = gutter_width(marks)
    yield from picture(marks, story.site.filename, sources, options, width)
    for label, text in story.remarks:
        yield f"{' ' * width} {style.gutter('=')} {style.bold(label)}: {text}"


def _marks(story: Story) -> dict[str, list[Mark]]:
    """Group the story's events by file, its own first; they get numbers, as the order tells."""
    notes: dict[Site, list[str]] = {story.site: []}
    for number, event in enumerate(story.events, 1):
        notes.setdefault(event.site, []).append(f"({number}) {event.message}")
    marks: dict[str, list[Mark]] = {}
    for site, texts in notes.items():
        start, end = (site.span.row, site.span.column), (site.span.end_row, site.span.end_column)
        mark = Mark(Location(*start), Location(*end), tuple(texts), site == story.site)
        marks.setdefault(site.filename, []).append(mark)
    for of_file in marks.values():
        of_file.sort(key=lambda mark: (mark.start, not mark.primary))
    return marks
