"""Execution of the intermediate form, symbolically: autograd's semantics over it.

Nothing imports what stands further up (an import contract sees to that):

* `run` puts the executor together and runs files.
* `entries` decides what is run, within which budget (`attempts`), `missed`, `headed` and
  `unrepeated` what is run once more.
* `language/` evaluates expressions and runs statements, calls and loops.
* `library/` knows what functions and objects of Python and PyTorch do.
* `executor` is what all of these share, and how they reach each other; `steps` is its budget.
* `autograd/` runs passes over graphs, and sees who keeps what alive.
* `records/` collects what all paths have learned, for the trace.
* `paths/` is what one path knows: its variables, its heap, its graph.
"""
