"""Generate `graphlint/static/knowledge/optable.py` from measurements of the installed torch.

Run by hand after a torch upgrade: `python -m tests.tools.generate_ops`. It needs `expecttest`
(torch's own sample inputs, `torch.testing._internal.common_methods_invocations`, import it) and
takes a few minutes. Torch is imported inside the functions.
"""

from __future__ import annotations

import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from graphlint.static.knowledge.facts import Op
from graphlint.static.knowledge.inplace import INPLACE
from graphlint.static.knowledge.ops import INERT
from tests.tools.measure import Call, Observation, observe
from tests.tools.merge import letters, result_counts, row_source, ternary, within
from tests.tools.op_samples import (
    ALIASES,
    CUTS,
    FACTORIES,
    INPUTS,
    NAMES,
    RESULTS,
    SETTLED,
    WRAPPED,
    hand_samples,
)
from tests.tools.signatures import parameters, uncovered

TARGET = Path(__file__).parents[2] / "graphlint" / "static" / "knowledge" / "optable.py"
MOST_SAMPLES = 24
SKIPPED = (
    "_",
    "torch.",
    "jiterator",
    "signal.",
    "masked.",
    "sparse.",
    "native_",
    "max_pool2d_with",
)

HEADER = '''\
"""What autograd saves for every op: generated, don't edit.

Measured on torch {version} by `python -m tests.tools.generate_ops`, which runs every op on sample
inputs, passes over its nodes twice and looks at what they hold. The columns are explained in
`graphlint.static.knowledge.facts.Op`. Names are the last part of the dotted name; a function of
`torch.linalg`, `torch.fft` or `torch.special` that differs from a plain one of the same name
keeps its module ("linalg.cross").
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from graphlint.static.knowledge.facts import MAYBE, NO, YES, Op

TORCH_VERSION: Final = "{version}"
'''

CUTS_COMMENT = """\
# Their results carry no graph, or one that no pass can cross (the derivative is not implemented):
# measured, and completed by hand."""
FACTORIES_COMMENT = (
    "# They make tensors out of no tensor, or out of its shape alone: listed by hand."
)

Sample = tuple[Call, list[Observation]]


def database_calls() -> Iterator[tuple[list[str], Call]]:
    """Yield the calls of torch's own sample inputs, with the names they stand for."""
    import torch
    from torch.testing._internal.common_methods_invocations import op_db

    for info in op_db:
        if info.name.startswith(SKIPPED) or (info.name, info.variant_test_name) in WRAPPED:
            continue
        names = sorted({_key(info.name), *(_key(alias.name) for alias in info.aliases)})
        dtypes = [d for d in (torch.float64, torch.float32, torch.complex128) if d in info.dtypes]
        for dtype in dtypes if info.name.startswith("fft.") else dtypes[:1]:
            for sample in _samples(info, dtype):
                yield names, _as_call(info, sample)


def _samples(info: Any, dtype: Any) -> Iterator[Any]:
    samples = info.sample_inputs("cpu", dtype, requires_grad=info.supports_autograd)
    yield from islice(filter(_whole, samples), MOST_SAMPLES)


def _whole(sample: Any) -> bool:
    """Leave out tensors without elements: they have no storage to tell them by."""
    import torch
    from torch.utils import _pytree as pytree

    leaves = pytree.tree_leaves((sample.input, sample.args, sample.kwargs))
    return all(leaf.numel() for leaf in leaves if isinstance(leaf, torch.Tensor))


def _as_call(info: Any, sample: Any) -> Call:
    import torch
    from torch.utils import _pytree as pytree

    args = (sample.input, *sample.args)
    slots = [*((str(i), value) for i, value in enumerate(args)), *sample.kwargs.items()]
    asked = frozenset(
        slot
        for slot, value in slots
        if any(isinstance(t, torch.Tensor) and t.requires_grad for t in pytree.tree_leaves(value))
    )
    return Call(_key(info.name), info.op, args, sample.kwargs, asked or None)


def _key(name: str) -> str:
    return name.removeprefix("torch.").removeprefix("nn.functional.")


def collect() -> dict[str, list[Sample]]:
    """Measure everything."""
    import torch

    torch.manual_seed(0)
    torch.set_num_threads(1)
    found: dict[str, list[Sample]] = defaultdict(list)
    for names, call in database_calls():
        sample = call, list(observe(call))
        for name in names:
            found[name].append(sample)
    replaced: set[str] = set()
    for call in hand_samples():
        if call.name in found and call.name not in replaced and call.name in SETTLED:
            found[call.name] = []
        replaced.add(call.name)
        found[call.name].append((call, list(observe(call))))
    for alias, name in ALIASES.items():
        found[alias] = found[name]
    return dict(found)


def judge(name: str, samples: list[Sample]) -> Op | None:
    """Merge an op's samples into its row; None if no result ever carries a graph."""
    samples = [(call, seen) for call, seen in samples if seen]
    if not any(any(one.results) for _, seen in samples for one in seen):
        return None
    names = NAMES[name] if name in NAMES else parameters(name)
    placed = [(_places(call, names), seen) for call, seen in samples]
    full = [seen[0] for _, seen in placed]
    results, graphless = result_counts(full)
    if name in RESULTS:
        results, graphless = RESULTS[name], ()
    inputs = INPUTS.get(name) or letters(placed)
    return Op(
        saves=ternary(one.raises for one in full),
        inputs=inputs,
        output=ternary(one.output for one in full if one.recorded),
        results=results,
        graphless=graphless,
        names=_names(inputs, names),
        within=within(placed),
    )


def _places(call: Call, names: tuple[str, ...]) -> dict[str, int]:
    """Map a call's slots to positions; keywords through the parameters' names."""
    places = {str(i): i for i in range(len(call.args))}
    for key in call.kwargs:
        if key in names:
            places[key] = names.index(key)
    return places


def _names(inputs: str, names: tuple[str, ...]) -> str:
    """Keep parameter names only where a second tensor may come by keyword."""
    return " ".join(names[: len(inputs)]) if inputs[1:].strip("-") else ""


def shorten(rows: dict[str, Op | None]) -> dict[str, Op | None]:
    """Drop the module from a dotted name unless a plain name says something else."""
    short: dict[str, Op | None] = {name: row for name, row in rows.items() if "." not in name}
    for name, row in sorted(rows.items()):
        if "." not in name:
            continue
        last = name.rpartition(".")[2]
        if last not in short:
            short[last] = row
        elif short[last] != row:
            short[name] = row
    return short


def render(rows: dict[str, Op | None], cuts: Iterable[str], factories: Iterable[str]) -> str:
    """Write the table as Python source, one row a line."""
    import torch

    version = torch.__version__.partition("+")[0]
    lines = [HEADER.format(version=version), "# fmt: off", "OPS: Final[Mapping[str, Op]] = {"]
    lines += [f'    "{name}": {row_source(row)},' for name, row in sorted(rows.items()) if row]
    lines += ["}", ""]
    lines += [CUTS_COMMENT, *_set("CUTS", cuts), ""]
    lines += [FACTORIES_COMMENT, *_set("FACTORIES", factories), "# fmt: on"]
    return "\n".join(lines) + "\n"


def _set(name: str, words: Iterable[str]) -> list[str]:
    lines = [f"{name}: Final[frozenset[str]] = frozenset({{"]
    lines += [f'    "{word}",' for word in sorted(words)]
    return [*lines, "})"]


def main() -> None:
    """Measure, write the table, and name the callables that it does not know."""
    found = collect()
    rows = shorten({name: judge(name, samples) for name, samples in found.items()})
    rows = {name: row for name, row in rows.items() if name not in FACTORIES | CUTS | set(INPLACE)}
    cuts = {name for name, row in rows.items() if row is None and measured(found, name)} | CUTS
    TARGET.write_text(render(rows, cuts, FACTORIES))
    known = {name for name, row in rows.items() if row} | cuts | FACTORIES | INERT | set(INPLACE)
    print(len(rows), "rows;", "not known:", *uncovered(known), file=sys.stderr)
    for name, samples in sorted(found.items()):
        if any(one.raises != one.holds for _, seen in samples for one in seen):
            print("raises differs from holds:", name, file=sys.stderr)


def measured(found: dict[str, list[Sample]], name: str) -> bool:
    """Tell whether anything could be measured of an op."""
    return any(seen for _, seen in found.get(name, []))


if __name__ == "__main__":
    main()
