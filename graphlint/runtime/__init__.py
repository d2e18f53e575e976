"""The runtime observer: watches the backward passes of a real run and measures what they keep.

This is the only part of graphlint that imports torch, and only `graphlint.runtime.needs`,
`profile`, `program` and `report` may be imported without it.
"""
