"""Execution of the intermediate form, symbolically: autograd's semantics over it.

`executor` is the hub; the rooms around it are listed there. `entries` decides what is run.
"""
