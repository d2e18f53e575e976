"""A profile as one HTML page that needs nothing else: no network, no other file.

`page.html.jinja` is the page, `view.py` says what stands in it, `charts.js` draws with d3, which is
shipped in `vendor`. Without scripts the page still shows every figure, in tables.

# Note [What a page may run]
A profile's names and the source beside it are somebody's text. The template escapes all of it; on
top of that the page's content security policy admits the scripts and the style sheet by their
checksums only, and no connection to anywhere.
"""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass
from importlib import resources
from typing import TYPE_CHECKING

from graphlint.errors import GraphlintError
from graphlint.output import Sources
from graphlint.output.profile_html.charts import chart_data
from graphlint.output.profile_html.view import make_page
from graphlint.output.profile_text import format_bytes, format_seconds, keeper
from graphlint.output.wording import counted
from graphlint.profiles import Profile
from graphlint.source.read import read_source

if TYPE_CHECKING:
    from jinja2 import Template


class Jinja2MissingError(GraphlintError):
    """The template language of the page is not installed."""


def render(profile: Profile, sources: Sources | None = None) -> str:
    """Return the page.

    Args:
        profile: what to show.
        sources: gives the text of the files that the profile names; by default they are read from
            the current folder.

    Raises:
        Jinja2MissingError: Jinja2 is not installed.
    """
    template = _template()
    return template.render(
        page=make_page(profile, sources or _source_on_disk),
        data=chart_data(profile),
        style=_Inline.of("page.css"),
        scripts=[_Inline.of("vendor/d3.min.js"), _Inline.of("charts.js")],
        licence=_asset("vendor/d3.LICENSE"),
    )


@dataclass(frozen=True, slots=True)
class _Inline:
    """A script or style sheet that stands in the page.

    Attributes:
        text: what stands between its tags.
        checksum: the word that admits it in a content security policy.
    """

    text: str
    checksum: str

    @classmethod
    def of(cls, name: str) -> _Inline:
        text = _asset(name)
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        return cls(text, f"'sha256-{digest}'")


def _template() -> Template:
    try:
        from jinja2 import Environment, StrictUndefined
    except ImportError as error:
        raise Jinja2MissingError(
            "a page needs Jinja2, which is not installed: pip install 'torch-graphlint[report]'"
        ) from error
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters |= {"bytes": format_bytes, "seconds": format_seconds, "keeper": keeper}
    environment.globals["counted"] = counted
    return environment.from_string(_asset("page.html.jinja"))


def _asset(name: str) -> str:
    return resources.files(__name__).joinpath(name).read_text(encoding="utf-8")


def _source_on_disk(filename: str) -> str:
    """Return the text of a Python file, "" of any other and of one that is not there."""
    if not filename.endswith(".py"):
        return ""
    try:
        return read_source(filename).text
    except OSError:
        return ""
