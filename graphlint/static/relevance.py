"""Which code can reach a backward pass.

# Note [Names that reach a pass]
A function can reach a pass if it calls one, or mentions the name of a function that can. Names are
looked up among what a file can see: what it defines, and what the files that it imports define, at
whatever distance. `train()` means a function that is defined in the file or imported by that name;
`trainer.train()` a method of any class that the file can see, or a function of a module `trainer`.
A method with a name that too many things have (`GENERIC`) is meant by calls in its own file, and by
whoever mentions its class.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from graphlint.static import ir
from graphlint.static.knowledge.frameworks import STEPS
from graphlint.static.knowledge.ops import find_op
from graphlint.static.project import Project

PASS_NAMES = frozenset(("backward", "grad", "manual_backward"))
GENERIC = frozenset("forward main run step".split()).union(
    *map(dir, (bytes, dict, float, list, set, str))
)
"""Names that too many things have for a call of one to say which is meant."""


Names = frozenset[tuple[str, bool]]
"""Names that reach a pass, each with whether it is a method's: not a function's or class's."""

FEW_FILES = 20
"""Among so many files, one that imports another that matters is run whatever it calls."""


@dataclass(slots=True)
class _File:
    """What is known of a file.

    Attributes:
        wanted: the names of what is to be reached, here.
        bound: what its names of functions, classes and imports stand for.
        mentions: the functions (with their classes) that mention a name, by its last part.
        reaching: the functions that reach a pass; methods: the names of those that are methods.
        seen: the names that reach a pass, of those that the file can see.
    """

    wanted: frozenset[str] = frozenset()
    bound: dict[str, str] = field(default_factory=dict)
    mentions: dict[str, list[tuple[str, ir.Function]]] = field(default_factory=dict)
    reaching: set[ir.Function] = field(default_factory=set)
    methods: set[str] = field(default_factory=set)
    seen: set[tuple[str, bool]] = field(default_factory=set)


class Relevance:
    """Tells from the names that they mention which functions can reach a backward pass.

    Or whatever else is called by some `names`. See Note [Names that reach a pass].

    Args:
        modules: the files whose functions are asked about.
        project: knows which files a file imports; without it a file sees itself alone.
        extra: further functions that run a pass (`backward-functions`).
        names: the functions that are to be reached.
        others: files that are not parsed (yet), and may see functions all the same.
    """

    def __init__(
        self,
        modules: Iterable[ir.Module],
        project: Project | None = None,
        extra: Iterable[str] = (),
        names: frozenset[str] = PASS_NAMES,
        others: Iterable[str] = (),
    ) -> None:
        self._modules = {module.filename: module for module in modules}
        self._project = project
        self._wanted = names.union(extra)
        self._files = {
            filename: _describe(m, self._wanted) for filename, m in self._modules.items()
        }
        self._asked: dict[ir.Function, bool] = {}
        self._importers = self._find_importers([*self._modules, *others])
        self._mentions = Counter(
            name
            for module in self._modules.values()
            for function in functions_in(module.body)
            for name in function.mentions.calls
        )
        self._grow()
        self._drivers = frozenset(
            owner
            for file in self._files.values()
            for calling in file.mentions.values()
            for owner, function in calling
            if owner and function in file.reaching
        )

    # ------------------------------------------------------------------------------- questions
    def only_calls(self, module: ir.Module) -> bool:
        """Whether a file runs no pass itself, but may call functions of other files that do."""
        return self._files[module.filename].wanted.isdisjoint(module.calls)

    def reaches(self, function: ir.Function) -> bool:
        """Whether a function's body can reach a pass."""
        if function not in self._asked:
            file = self._files.setdefault(function.filename, _File(self._wanted))
            reaches = function in file.reaching or self._is_meant(file, function.mentions)
            reaches = reaches or function.name in STEPS
            self._asked[function] = reaches
        return self._asked[function]

    def sets_up(self, function: ir.Function) -> bool:
        """Whether a function is the constructor of a class with methods that can reach a pass."""
        owner = function.qualname.rpartition(".")[0].rpartition(".")[2]
        return function.name == "__init__" and owner in self._drivers

    def leads_to_pass(self, function: ir.Function, part: ir.Node) -> bool:
        """Whether a part of a function calls what reaches a pass."""
        file = self._files.setdefault(function.filename, _File(self._wanted))
        names = {_written(node.func) for node in ir.walk(part) if isinstance(node, ir.Call)}
        if not file.wanted.isdisjoint(name.rpartition(".")[2] for name in names):
            return True
        return any(_means(file, name) for name in names)

    def top_level_reaches(self, module: ir.Module) -> bool:
        """Whether a file's own code, outside of functions, can reach a pass."""
        return self._is_meant(self._files[module.filename], module.mentions)

    def matters(self, module: ir.Module) -> bool:
        """Whether anything in a file can reach a pass."""
        return bool(self._files[module.filename].reaching) or self.top_level_reaches(module)

    def mentioned(self, function: ir.Function) -> bool:
        """Whether another function calls it, by its name."""
        itself = function.name in function.mentions.calls
        return self._mentions[function.name] > itself

    def called_somewhere(self, function: ir.Function) -> bool:
        """Whether a function, or a file's own code, calls something by its name."""
        at_top = (module.mentions.calls for module in self._modules.values())
        return self.mentioned(function) or any(function.name in calls for calls in at_top)

    def seen_by(self, filename: str) -> frozenset[str]:
        """Return the names that reach a pass and mean that in a file."""
        seen = self._files[filename].seen if filename in self._files else ()
        return frozenset(name for name, method in seen if not (method and _is_generic(name)))

    # ----------------------------------------------------------------------------------- names
    def _is_meant(self, file: _File, mentions: ir.Mentions) -> bool:
        """Whether anything that is mentioned reaches a pass."""
        if not file.wanted.isdisjoint(_mentioned(mentions)):
            return True
        return any(_means(file, name) for name in mentions.called)

    def _find_importers(self, files: Sequence[str]) -> dict[str, list[str]]:
        """Return by file who imports it, of some files and all that they lead to."""
        importers: dict[str, list[str]] = {}
        todo = list(dict.fromkeys(files)) if self._project else []
        done = set(todo)
        while todo and self._project:
            importer = todo.pop()
            for imported in self._project.imports(importer):
                importers.setdefault(imported, []).append(importer)
                if imported not in done:
                    done.add(imported)
                    todo.append(imported)
        return importers

    def _grow(self) -> None:
        """Find functions that reach a pass, and let files see their names, until no more do."""
        found = {name: self._calling(name, self._files[name].wanted) for name in self._modules}
        while found:
            told = self._tell({name: names for name, names in found.items() if names})
            found = {
                filename: self._calling(filename, frozenset(name for name, _ in names))
                for filename, names in told.items()
                if filename in self._modules
            }

    def _calling(self, filename: str, names: frozenset[str]) -> Names:
        """Find functions of a file that reach a pass by some names; return their own names."""
        file = self._files[filename]
        found: set[tuple[str, bool]] = set()
        for name in names.intersection(file.mentions):
            for owner, function in file.mentions[name]:
                if function not in file.reaching and self._reaches(file, function.mentions, name):
                    file.reaching.add(function)
                    file.methods.update([function.name] if owner else ())
                    found.add((function.name, bool(owner)))
                    if owner and _is_generic(function.name):
                        found.add((owner, False))
        return frozenset(found)

    def _reaches(self, file: _File, mentions: ir.Mentions, name: str) -> bool:
        if name in file.wanted:
            return True
        return any(_means(file, m) for m in mentions.called if m.rpartition(".")[2] == name)

    def _tell(self, found: dict[str, Names]) -> dict[str, Names]:
        """Let files see names, and whoever imports these files; return what was new to whom."""
        new: dict[str, set[tuple[str, bool]]] = {}
        todo = {filename: set(names) for filename, names in found.items()}
        while todo:
            filename = next(iter(todo))
            file = self._files.setdefault(filename, _File(self._wanted))
            unseen = todo.pop(filename) - file.seen
            if unseen:
                file.seen |= unseen
                new.setdefault(filename, set()).update(unseen)
                for importer in self._importers.get(filename, ()):
                    todo.setdefault(importer, set()).update(unseen)
        return {filename: frozenset(names) for filename, names in new.items()}


def _written(func: ir.Expr) -> str:
    """Return the name of what is called, as `ir.Mentions.called` has it."""
    if isinstance(func, ir.Attribute):
        return f"{func.value.id if isinstance(func.value, ir.Name) else ''}.{func.name}"
    return func.id if isinstance(func, ir.Name) else ""


def _is_generic(name: str) -> bool:
    return name in GENERIC or name.startswith("__") or find_op(name) is not None


def _means(file: _File, written: str) -> bool:
    """Whether a name, as it is written in a file, is one that reaches a pass."""
    owner, dot, name = written.rpartition(".")
    if not dot:
        meant = file.bound.get(name, name if "*" in file.bound else "")
        return (meant, False) in file.seen
    if owner in file.bound and (name, False) in file.seen:
        return True
    meant_here = name in file.methods and not name.startswith("__")
    return meant_here or ((name, True) in file.seen and (owner == "self" or not _is_generic(name)))


def _mentioned(mentions: ir.Mentions) -> frozenset[str]:
    """Return the names that are called, handed on, or read off something to be called later.

    The attribute `grad` is no function.
    """
    return mentions.calls | (mentions.reads - {"grad"})


def _describe(module: ir.Module, wanted: frozenset[str]) -> _File:
    bound = _bindings(module)
    aliases = frozenset(name for name, meant in bound.items() if meant in wanted)
    mentions: dict[str, list[tuple[str, ir.Function]]] = {}
    for owner, function in _with_owners(module.body):
        for name in _mentioned(function.mentions):
            mentions.setdefault(name, []).append((owner, function))
    return _File(wanted | aliases, bound, mentions)


def functions_in(block: Sequence[ir.Stmt]) -> Iterator[ir.Function]:
    """Walk the functions and methods that are defined in a block, not those within functions."""
    return (function for _, function in _with_owners(block))


def _with_owners(block: Sequence[ir.Stmt], owner: str = "") -> Iterator[tuple[str, ir.Function]]:
    """Walk functions and methods, each with the name of its class."""
    for statement in block:
        if isinstance(statement, ir.FunctionDef):
            yield owner, statement.function
        elif isinstance(statement, ir.ClassDef):
            yield from _with_owners(statement.body, statement.name)
        elif isinstance(statement, (ir.If, ir.Try)):
            yield from _with_owners((*statement.body, *statement.orelse), owner)


def _bindings(module: ir.Module) -> dict[str, str]:
    """Return what a file's names of functions, classes and imports stand for, by name."""
    imported = {i.name: i.member or i.module for i in module.imports}
    defined = {s.name: s.name for s in module.body if isinstance(s, ir.ClassDef)}
    functions = {f.name: f.name for owner, f in _with_owners(module.body) if not owner}
    return {**imported, **defined, **functions}
