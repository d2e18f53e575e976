"""Paths: what one way through the program knows, and how it is told from others.

`state` is the whole of a path; `values` are what its variables hold, `graph` is autograd's graph.
"""
