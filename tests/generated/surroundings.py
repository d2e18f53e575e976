"""What a program finds around it: arguments, variables, files, input and random numbers."""

from __future__ import annotations

import contextlib
import io
import os
import random
import sys
from collections.abc import Callable, Iterator
from typing import Any
from unittest import mock

import torch

from .program import Setting


@contextlib.contextmanager
def environment(setting: Setting, printed: io.StringIO) -> Iterator[None]:
    """Start from the setting's arguments, variables and input, and put everything back after."""
    state, threads = random.getstate(), torch.get_num_threads()
    torch.set_num_threads(1)
    with (
        torch.random.fork_rng(devices=[]),
        torch.enable_grad(),
        mock.patch.dict(os.environ, dict(setting.environ)),
        mock.patch.object(sys, "argv", ["main.py", *setting.argv]),
        mock.patch.object(sys, "stdin", io.StringIO(dict(setting.files).get("-", ""))),
        contextlib.redirect_stdout(printed),
    ):
        random.seed(0)
        torch.manual_seed(0)
        try:
            yield
        finally:
            random.setstate(state)
            torch.set_num_threads(threads)


def opener(setting: Setting) -> Callable[..., io.StringIO]:
    """Return an `open` that knows the setting's files and no others."""
    files = dict(setting.files)

    def open_file(path: str, *_args: Any, **_kwargs: Any) -> io.StringIO:
        if path not in files:
            raise FileNotFoundError(path)
        return io.StringIO(files[path])

    return open_file
