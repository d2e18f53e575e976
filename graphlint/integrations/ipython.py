"""The magic `%%graphlint` of IPython and Jupyter: record a cell, and show what it kept.

`%load_ext graphlint` makes it known.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from IPython.core.magic import Magics, line_cell_magic, magics_class
from IPython.core.magic_arguments import argument, magic_arguments, parse_argstring

from graphlint.profiles import Profile
from graphlint.runtime.profile import profile
from graphlint.runtime.report import Report


@magics_class
class GraphlintMagics(Magics):
    """The magics `%graphlint` and `%%graphlint`."""

    @magic_arguments()
    @argument("--every", type=int, default=1, help="Measure one in so many retained passes.")
    @argument("-o", "--output", help="Write the profile to this file.")
    @argument("statement", nargs="*", help="The statement to record, in the form with one %%.")
    @line_cell_magic
    def graphlint(self, line: str, cell: str | None = None) -> None:
        """Record the backward passes of a cell or a statement, and show what they kept."""
        options = parse_argstring(self.graphlint, line)
        code = cell if cell is not None else " ".join(options.statement)
        with profile(every=options.every, output=options.output) as recorded:
            # What the cell raises is shown by the shell itself, as it is without the magic.
            self.shell.run_cell(code)
        shown = _renamed(recorded.report.to_dict(), self._cell)
        shown["program"] = "statement" if cell is None else "cell"
        print(Report(Profile.from_dict(shown)))

    def _cell(self, filename: str) -> str | None:
        """Return how to call a cell's file, None for other files: `In[3]`, and what runs `cell`.

        The shell counts what a magic runs as a cell to come, and would call it by the next number.
        """
        described = self.shell.compile.format_code_name(filename)
        if described is None:
            return None
        name: str = described[1]
        return "cell" if name == f"In[{self.shell.execution_count}]" else name


def load_ipython_extension(shell: Any) -> None:
    """Make the magics known; IPython calls this for `%load_ext graphlint`."""
    shell.register_magics(GraphlintMagics)


def _renamed(data: Any, name: Callable[[str], str | None]) -> Any:
    """Return data with other names for files, which stand alone or before a colon."""
    if isinstance(data, dict):
        return {key: _renamed(value, name) for key, value in data.items()}
    if isinstance(data, list):
        return [_renamed(value, name) for value in data]
    if isinstance(data, str):
        file, colon, rest = data.rpartition(":")
        before = name(file) if colon else None
        return name(data) or (f"{before}:{rest}" if before else data)
    return data
