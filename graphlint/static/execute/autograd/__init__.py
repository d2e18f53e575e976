"""Autograd: what passes, steps and hooks do to graphs, and what keeps these alive.

`passes` reads a call that runs one, `visits` does to the graph what the pass does.
"""
