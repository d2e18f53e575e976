"""The library: what the functions and objects of Python and PyTorch do, as far as it matters.

`externals` calls functions by their dotted names, `methods` calls methods by what they belong to;
`unknown` stands for all code that is not known.
"""
