"""The errors that end a run, each with the exit status it deserves."""

from __future__ import annotations


class GraphlintError(Exception):
    """A mistake that the user can mend: the message names it, the reason and the way out."""

    exit_code = 2
