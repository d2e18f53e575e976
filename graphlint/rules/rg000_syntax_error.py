"""RG000: syntax-error.

## What it does
Reports a file that cannot be read as Python: a syntax error, an unknown encoding, a null byte.

## Why it matters
Nothing in the file was checked. The other files still are.

## Example
```python
loss.backward(retain_graph=True
```

## Use instead
```python
loss.backward()
```

## Silent when
* the file is Python of the version that runs graphlint; code for a newer Python needs that Python.

## Fix safety
There is no fix.

## References
* Python reference, "Full Grammar specification".
"""

from __future__ import annotations

from graphlint.rules.rule import Holds, Rule

RULE = Rule(
    code="RG000",
    name="syntax-error",
    message="The file cannot be parsed.",
    holds=Holds.SOME,
    check=None,
    page=__doc__,
    bad="loss.backward(retain_graph=True\n",
    good="loss.backward()\n",
)
