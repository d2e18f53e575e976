"""From building blocks to the text of a program: functions, classes, loops and noise."""

from __future__ import annotations

import re

from .draft import Draft, Function, Lines, Section, indented

STATE = re.compile(r"\$(\w+)")
LOCAL = re.compile(r"@(\w+)")
ASSIGNED = re.compile(r"^\s*((?:\$\w+,?\s*)+)(?:[-+*/]?=)(?!=)")
CONTINUES = re.compile(r"^\s*(else|elif|except|finally|case|[)\]}])|^\s*$")
IMPORTS = {
    "from torch import nn": r"(?<!torch\.)\bnn\.",
    "import torch.nn.functional as F": r"\bF\.",
    "from torch import optim": r"(?<!torch\.)\boptim\.",
    "from torch import autograd": r"(?<!torch\.)\bautograd\.",
    "import torch.autograd as ag": r"\bag\.",
    "from torch.autograd import grad": r"(?<![\w.])grad\(",
    "from functools import partial": r"(?<![\w.])partial\(",
    "import functools": r"\bfunctools\.",
    "import itertools": r"\bitertools\.",
    "import time": r"\btime\.",
    "from types import SimpleNamespace": r"\bSimpleNamespace\(",
    "from collections import namedtuple": r"\bnamedtuple\(",
}
NOISE = (
    ("scratch = torch.randn(3)", "print(tuple(scratch.shape))"),
    ("elapsed = time.perf_counter() - time.perf_counter()",),
    ('print("-" * 10)',),
    ("numbers = list(range(3))", "numbers.reverse()"),
    ("message = f\"torch {torch.__version__.split('.')[0]}\"",),
    ("spread = torch.arange(4).float().std().item()", 'print(f"{spread:.3f}")'),
    ("with torch.no_grad():", "    baseline = torch.ones(2).mean()"),
    ("learning_rate = 0.1 * 0.5",),
    ("width = torch.eye(2).size(0)",),
    ("for word in ('a', 'b'):", "    title = word.upper()"),
)


def layout(d: Draft, section: Section) -> Lines:
    """Write a section in one of the ways that people arrange their code."""
    styles = [_flat, _flat, _main, _stepper, _trainer, _trainer]
    if section.split:
        styles += [_two_methods, _two_methods]
    text = d.pick(*styles)(d, section)
    return _noisy(d, text)


def assemble(d: Draft, parts: list[Lines]) -> str:
    """Put imports, switches, constants, helpers and sections together."""
    body = [line for part in parts for line in [*part, ""]]
    helpers = _used_helpers(d, "\n".join(body))
    text = "\n".join([*helpers, *body])
    d.switches.prune(text)
    imports, reading = d.switches.setup()
    if re.search(r"\bLosses\(", text):
        d.constants["Losses"] = 'namedtuple("Losses", ["first", "second"])'
    used = {name: value for name, value in d.constants.items() if name in text}
    constants = [f"{name} = {value}" for name, value in used.items()]
    rest = [*reading, *constants, f"torch.manual_seed({d.seed % 97})"]
    text = "\n".join([*helpers, "", "", *rest, *body])
    needed = {"import torch", *imports}
    needed.update(line for line, pattern in IMPORTS.items() if re.search(pattern, text))
    ordered = sorted(needed, key=lambda line: ("torch" in line, line))
    return re.sub(r"\n{4,}", "\n\n\n", "\n".join([*ordered, text])).rstrip() + "\n"


def _used_helpers(d: Draft, text: str) -> Lines:
    """Return the functions that the text calls, and what those call."""
    used: Lines = []
    for name, lines in reversed(d.helpers.items()):
        if re.search(rf"\b{name}\b", "\n".join([text, *used])):
            used = ["", "", *lines, *used]
    return used


def _report(d: Draft, section: Section) -> Lines:
    """Print the gradients and the weights that come out."""
    if d.chance(0.6):
        shown = ["weight.detach().sum().item()", "weight.grad is None or weight.grad.sum().item()"]
        body = [f"        print(name, {', '.join(shown)})"]
        head = ["def summarize(module):", "    for name, weight in module.named_parameters():"]
        d.helper("summarize", [*head, *body])
        return [f"summarize({module})" for module in section.report]
    lines = []
    for module in section.report:
        lines += [
            f"print(sum(p.abs().sum().item() for p in {module}.parameters()))",
            f"print([p.grad.sum().item() for p in {module}.parameters() if p.grad is not None])",
        ]
    return lines


def _loop(d: Draft, lines: Lines) -> Lines:
    """Repeat the lines, most often."""
    if d.chance(0.25):
        return lines
    lines = _maybe_exit(d, lines, d.pick("continue", "break"))
    count = d.count()
    name = d.pick("epoch", "step", "iteration", "_")
    if d.chance(0.1):
        return ["$done = 0", f"while $done < {count}:", *indented(["$done += 1", *lines])]
    return [f"for {name} in range({count}):", *indented(lines)]


def _maybe_exit(d: Draft, lines: Lines, word: str) -> Lines:
    """Leave a step early, at some point of it, if a switch says so."""
    if not d.switches.on or len(lines) < 3 or not d.chance(0.2):
        return lines
    places = [i for i, line in enumerate(lines) if i and _starts_statement(lines, i)]
    condition = d.condition()
    if not places or not condition:
        return lines
    at = d.pick(*places)
    return [*lines[:at], f"if {condition}:", f"    {word}", *lines[at:]]


def _starts_statement(lines: Lines, index: int) -> bool:
    """Tell whether a line starts a statement that stands in no other."""
    text = "".join(lines[:index])
    closed = all(text.count(a) == text.count(b) for a, b in ("()", "[]", "{}"))
    return closed and not lines[index].startswith((" ", "#")) and not CONTINUES.match(lines[index])


def _named(lines: Lines, state: str = "", local: str = "") -> Lines:
    """Turn `$names` and `@names` into names with these prefixes."""
    return [LOCAL.sub(local + r"\1", STATE.sub(state + r"\1", line)) for line in lines]


def _def(function: Function, scope: str, state: str = "") -> Lines:
    """Write a function; `scope` declares the state that it assigns where that needs saying."""
    names = _assigned(function.body)
    declared = [f"{scope} {', '.join(names)}"] if scope and names else []
    head = f"def {function.name}({function.parameters}):"
    return _named([head, *indented([*declared, *function.body])], state)


def _assigned(lines: Lines) -> list[str]:
    found = [STATE.findall(match[1]) for line in lines if (match := ASSIGNED.match(line))]
    return sorted({name for names in found for name in names})


def _flat(d: Draft, section: Section) -> Lines:
    functions = [line for f in section.functions for line in ["", "", *_def(f, "global")]]
    gap = ["", ""] if functions else []
    lines = [*section.setup, *_loop(d, section.body), *_report(d, section)]
    return [*functions, *gap, *_named(lines)]


def _main(d: Draft, section: Section) -> Lines:
    name = d.fresh(d.pick("main", "train", "run", "fit"))
    inner = [line for f in section.functions for line in [*_def(f, "nonlocal"), ""]]
    lines = [*section.setup, *inner, *_loop(d, section.body), *_report(d, section)]
    guarded = d.chance(0.6)
    call = ['if __name__ == "__main__":', f"    {name}()"] if guarded else [f"{name}()"]
    return ["", "", f"def {name}():", *indented(_named(lines)), "", "", *call]


def _stepper(d: Draft, section: Section) -> Lines:
    """Write the step as a function, over globals or with its models handed over."""
    name = d.fresh(d.pick("train_step", "training_step", "one_step", "fit_batch"))
    owned = sorted({n for line in section.setup for n in STATE.findall(line)})
    body = _maybe_exit(d, section.body, "return")
    assigned = _assigned(body)
    functions = [line for f in section.functions for line in ["", "", *_def(f, "global")]]
    if assigned or section.functions or d.chance(0.4):
        step, call = Function(name, "", body), f"{name}()"
    else:
        step, call = Function(name, ", ".join(owned), body), f"{name}({', '.join(owned)})"
    after = [*section.setup, *_loop(d, [call]), *_report(d, section)]
    return [*functions, "", "", *_def(step, "global"), "", "", *_named(after)]


def _trainer(d: Draft, section: Section) -> Lines:
    body = _maybe_exit(d, section.body, "return")
    methods = [Function(d.pick("step", "train_step", "update", "run_step"), "", body)]
    return _class(d, section, methods, "")


def _two_methods(d: Draft, section: Section) -> Lines:
    """Cut the step in two methods: what one makes, the other finds on `self`."""
    first, second = d.pick(
        ("forward", "optimize"), ("compute_losses", "apply"), ("collect", "learn")
    )
    methods = [
        Function(first, "", section.body[: section.split]),
        Function(second, "", section.body[section.split :]),
    ]
    return _class(d, section, methods, "self.")


def _class(d: Draft, section: Section, methods: list[Function], local: str) -> Lines:
    name = d.fresh(d.pick("Trainer", "Learner", "Runner", "Experiment"))
    lines = [f"class {name}:", "    def __init__(self):"]
    lines += indented(indented(_named(section.setup, "self.")))
    for function in [*section.functions, *methods]:
        parameters = ", ".join(["self", *filter(None, [function.parameters])])
        body = _named(function.body, "self.", local)
        lines += ["", f"    def {function.name}({parameters}):", *indented(indented(body))]
    owner = d.fresh(d.pick("trainer", "learner", "runner"))
    steps = [f"$self.{method.name}()" for method in methods]
    if d.chance(0.3):
        body = _named(_loop(d, [f"self.{m.name}()" for m in methods]))
        lines += ["", "    def fit(self):", *indented(indented(body))]
        use = [f"{owner} = {name}()", f"{owner}.fit()"]
    else:
        use = [f"{owner} = {name}()", *_loop(d, steps)]
    shown = [line.replace("$", "$self.") for line in _report(d, section)]
    after = [line.replace("$self.", f"{owner}.") for line in [*use, *shown]]
    return ["", "", *lines, "", "", *_named(after)]


def _noisy(d: Draft, lines: Lines) -> Lines:
    """Put statements that have nothing to do with it between the others."""
    share = d.pick(0.0, 0.05, 0.12)
    result: Lines = []
    depth = 0
    for index, line in enumerate(lines):
        plain = not CONTINUES.match(line) and depth == 0 and index > 0
        follows = not result or not result[-1].startswith(("@", "class"))
        if plain and follows and result[-1].strip() and d.chance(share):
            if not line.lstrip().startswith(("def ", "class ", "@")):
                margin = line[: len(line) - len(line.lstrip())]
                result += [margin + noise for noise in d.pick(*NOISE)]
        depth += sum(line.count(c) for c in "([{") - sum(line.count(c) for c in ")]}")
        result.append(line.rstrip())
    return result
