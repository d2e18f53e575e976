"""The calls that run passes: each has one record, found fast where the call was seen before."""

from __future__ import annotations

import weakref
from types import CodeType
from typing import Any

from graphlint.runtime.places import Caller
from graphlint.runtime.sites import SiteRecord

_CACHED_CALLERS = 4096


class CallSites:
    """The records of calls, by place.

    Attributes:
        records: the records, in the order in which the calls first ran a pass.
    """

    def __init__(self) -> None:
        """Start with no call seen."""
        self.records: dict[tuple[Any, ...], SiteRecord] = {}
        self._callers: dict[tuple[int, ...], tuple[weakref.ref[CodeType], SiteRecord]] = {}

    def of(self, caller: Caller) -> SiteRecord:
        """Look up the record of a call, by its code and instruction where that was seen before."""
        code = caller.frame.f_code
        key = id(code), caller.frame.f_lasti, id(caller.inner.f_code)
        known = self._callers.get(key)
        if known is not None and known[0]() is code:
            return known[1]
        site = self._record(caller)
        if len(self._callers) >= _CACHED_CALLERS:
            self._callers.clear()
        self._callers[key] = weakref.ref(code), site
        return site

    def _record(self, caller: Caller) -> SiteRecord:
        code, span, form = caller.frame.f_code, caller.span, caller.form
        place = code.co_filename, span, form
        site = self.records.get(place)
        if site is None:
            name = getattr(code, "co_qualname", code.co_name)
            site = self.records[place] = SiteRecord(code.co_filename, span, name, form)
        return site
