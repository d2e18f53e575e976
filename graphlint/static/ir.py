"""The intermediate form: what `lower` makes of a file and `execute` runs.

It is smaller than Python's own syntax tree (one kind of assignment, one kind of comprehension, no
contexts), is made of frozen dataclasses, and every node knows its place in the source. Nodes are
compared by identity: a node *is* the place in the program, and serves as its name.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from graphlint.trace import Span


@dataclass(frozen=True, slots=True, eq=False)
class Node:
    """A piece of syntax and where it stands."""

    span: Span


# ------------------------------------------------------------------------------- expressions
@dataclass(frozen=True, slots=True, eq=False)
class Expr(Node):
    """Something that has a value."""


@dataclass(frozen=True, slots=True, eq=False)
class Const(Expr):
    """A literal number, string, bytes, boolean, None or `...`."""

    value: object


@dataclass(frozen=True, slots=True, eq=False)
class Name(Expr):
    """A variable that is read, or bound where it is a target."""

    id: str


@dataclass(frozen=True, slots=True, eq=False)
class Attribute(Expr):
    """`value.name`."""

    value: Expr
    name: str


@dataclass(frozen=True, slots=True, eq=False)
class Slice(Expr):
    """`lower:upper:step`, each of which may be absent."""

    lower: Expr | None
    upper: Expr | None
    step: Expr | None


@dataclass(frozen=True, slots=True, eq=False)
class Subscript(Expr):
    """`value[index]`."""

    value: Expr
    index: Expr


@dataclass(frozen=True, slots=True, eq=False)
class Starred(Expr):
    """`*value`, in a display, a call or a target."""

    value: Expr


@dataclass(frozen=True, slots=True, eq=False)
class Keyword(Node):
    """`name=value` in a call; a name of None stands for `**value`."""

    name: str | None
    value: Expr


@dataclass(frozen=True, slots=True, eq=False)
class Call(Expr):
    """`func(*args, **keywords)`."""

    func: Expr
    args: tuple[Expr, ...]
    keywords: tuple[Keyword, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Binary(Expr):
    """`left op right`, the operator by the name of its syntax node (`Add`, `MatMult` …)."""

    op: str
    left: Expr
    right: Expr


@dataclass(frozen=True, slots=True, eq=False)
class Unary(Expr):
    """`op operand`: `Not`, `USub`, `UAdd` or `Invert`."""

    op: str
    operand: Expr


@dataclass(frozen=True, slots=True, eq=False)
class Boolean(Expr):
    """`left and right` or `left or right`; longer chains nest to the right."""

    is_and: bool
    left: Expr
    right: Expr


@dataclass(frozen=True, slots=True, eq=False)
class Compare(Expr):
    """`left op right`, the operator by the name of its syntax node (`Lt`, `IsNot` …)."""

    op: str
    left: Expr
    right: Expr


@dataclass(frozen=True, slots=True, eq=False)
class IfElse(Expr):
    """`body if test else orelse`."""

    test: Expr
    body: Expr
    orelse: Expr


@dataclass(frozen=True, slots=True, eq=False)
class Sequence(Expr):
    """A display: `kind` is `tuple`, `list` or `set`."""

    kind: str
    items: tuple[Expr, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Dict(Expr):
    """A dictionary display; a key of None stands for `**value`."""

    items: tuple[tuple[Expr | None, Expr], ...]


@dataclass(frozen=True, slots=True, eq=False)
class Text(Expr):
    """An f-string: `joined` says that its parts are all of it, as plain text.

    Otherwise it evaluates its parts, and is a string that nobody knows.
    """

    parts: tuple[Expr, ...]
    joined: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Generator(Node):
    """`for target in iter if tests`, in a comprehension."""

    target: Expr
    iter: Expr
    tests: tuple[Expr, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Comprehension(Expr):
    """A comprehension: `kind` is `list`, `set`, `dict` or `generator`; dict has a pair to make."""

    kind: str
    item: tuple[Expr, ...]
    generators: tuple[Generator, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Walrus(Expr):
    """`(target := value)`."""

    target: Name
    value: Expr


@dataclass(frozen=True, slots=True, eq=False)
class Await(Expr):
    """`await value`."""

    value: Expr


@dataclass(frozen=True, slots=True, eq=False)
class Yield(Expr):
    """`yield value`, or `yield from value`."""

    value: Expr | None
    delegate: bool


@dataclass(frozen=True, slots=True, eq=False)
class Lambda(Expr):
    """`lambda parameters: body`."""

    function: Function


# -------------------------------------------------------------------------------- statements
@dataclass(frozen=True, slots=True, eq=False)
class Stmt(Node):
    """Something that is done."""


Block = tuple[Stmt, ...]


@dataclass(frozen=True, slots=True, eq=False)
class ExprStmt(Stmt):
    """An expression for its effect."""

    value: Expr


@dataclass(frozen=True, slots=True, eq=False)
class Assign(Stmt):
    """`targets = value`, annotated or not."""

    targets: tuple[Expr, ...]
    value: Expr


@dataclass(frozen=True, slots=True, eq=False)
class AugAssign(Stmt):
    """`target op= value`."""

    op: str
    target: Expr
    value: Expr


@dataclass(frozen=True, slots=True, eq=False)
class Delete(Stmt):
    """`del targets`."""

    targets: tuple[Expr, ...]


@dataclass(frozen=True, slots=True, eq=False)
class If(Stmt):
    """`if test: body else: orelse`."""

    test: Expr
    body: Block
    orelse: Block


@dataclass(frozen=True, slots=True, eq=False)
class For(Stmt):
    """`for target in iter: body else: orelse`."""

    target: Expr
    iter: Expr
    body: Block
    orelse: Block


@dataclass(frozen=True, slots=True, eq=False)
class While(Stmt):
    """`while test: body else: orelse`."""

    test: Expr
    body: Block
    orelse: Block


@dataclass(frozen=True, slots=True, eq=False)
class WithItem(Node):
    """`context as target`."""

    context: Expr
    target: Expr | None


@dataclass(frozen=True, slots=True, eq=False)
class With(Stmt):
    """`with items: body`."""

    items: tuple[WithItem, ...]
    body: Block


@dataclass(frozen=True, slots=True, eq=False)
class Handler(Node):
    """`except kind as name: body`."""

    kind: Expr | None
    name: str | None
    body: Block


@dataclass(frozen=True, slots=True, eq=False)
class Try(Stmt):
    """`try: body except … else: orelse finally: final`."""

    body: Block
    handlers: tuple[Handler, ...]
    orelse: Block
    final: Block


@dataclass(frozen=True, slots=True, eq=False)
class Capture(Node):
    """A name that a pattern binds, and the way to its value from the subject.

    Each step is an item's key (`[0]`, `["loss"]`), an attribute's name, or the number of a field.
    """

    name: str
    steps: tuple[tuple[str, int | str | None], ...]


@dataclass(frozen=True, slots=True, eq=False)
class Case(Node):
    """`case pattern if guard: body`.

    `tests` are the pattern's values where it compares with some (`case "train":`), `always` says
    that the pattern matches everything, `names` are what it binds. `kind` is the class of a pattern
    such as `Tensor()`, and `kind_alone` says that it asks for nothing else. `shape` is what a
    pattern takes apart: "Sequence" or "Mapping", "" for others.
    """

    tests: tuple[Expr, ...]
    always: bool
    kind: Expr | None
    kind_alone: bool
    shape: str
    names: tuple[Capture, ...]
    guard: Expr | None
    body: Block


@dataclass(frozen=True, slots=True, eq=False)
class Match(Stmt):
    """`match subject: cases`."""

    subject: Expr
    cases: tuple[Case, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Return(Stmt):
    """`return value`."""

    value: Expr | None


@dataclass(frozen=True, slots=True, eq=False)
class Raise(Stmt):
    """`raise value`."""

    value: Expr | None


@dataclass(frozen=True, slots=True, eq=False)
class Assert(Stmt):
    """`assert test`."""

    test: Expr


@dataclass(frozen=True, slots=True, eq=False)
class Break(Stmt):
    """`break`."""


@dataclass(frozen=True, slots=True, eq=False)
class Continue(Stmt):
    """`continue`."""


@dataclass(frozen=True, slots=True, eq=False)
class Scope(Stmt):
    """`global names` or `nonlocal names`."""

    is_global: bool
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Import(Stmt):
    """One name that an import binds.

    `import a.b as c` has module `a.b` and no member; `from ..a import b as c` has module `a`,
    level 2 and member `b`; a member of `*` binds everything.
    """

    module: str
    level: int
    member: str | None
    name: str


@dataclass(frozen=True, slots=True, eq=False)
class FunctionDef(Stmt):
    """`def`, with its decorators."""

    function: Function
    decorators: tuple[Expr, ...]


@dataclass(frozen=True, slots=True, eq=False)
class ClassDef(Stmt):
    """`class name(bases, keywords): body`; `fields` are the names that its body annotates."""

    name: str
    bases: tuple[Expr, ...]
    decorators: tuple[Expr, ...]
    body: Block
    fields: tuple[str, ...]
    keywords: tuple[Keyword, ...] = ()


# ---------------------------------------------------------------------- functions and modules
@dataclass(frozen=True, slots=True, eq=False)
class Parameter(Node):
    """A parameter: `kind` is `positional`, `keyword`, `star` or `double_star`.

    `annotation` is there where it is the name of a class.
    """

    name: str
    kind: str
    default: Expr | None
    annotation: Expr | None = None


@dataclass(frozen=True, slots=True)
class Mentions:
    """The names that a function's body mentions, those of functions within it included.

    Attributes:
        calls: last parts of what is called, or handed to a call (`run(step)` mentions both).
        called: the same as it is written, as far as two parts: `step`, `trainer.step`, and `.step`
            of what has no name.
        writes: attributes that are assigned.
        reads: attributes that are read.
    """

    calls: frozenset[str] = frozenset()
    called: frozenset[str] = frozenset()
    writes: frozenset[str] = frozenset()
    reads: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, eq=False)
class Function(Node):
    """A function or lambda: its parameters and what it does.

    `qualname` is the dotted path from the top of the file `filename`; `yields` says that it is a
    generator.
    A lambda's body is a single return.
    """

    name: str
    qualname: str
    filename: str
    parameters: tuple[Parameter, ...]
    body: Block
    yields: bool
    mentions: Mentions


@dataclass(frozen=True, slots=True, eq=False)
class Module(Node):
    """A whole file.

    `flagged` are its calls that name `retain_graph` or `create_graph`, `calls` the last parts of
    the names of all that it calls, `imports` what it imports, in functions too, and `mentions` what
    its own code mentions, outside of functions.
    """

    filename: str
    body: Block
    flagged: tuple[FlaggedCall, ...]
    calls: frozenset[str]
    imports: tuple[Import, ...]
    mentions: Mentions


@dataclass(frozen=True, slots=True, eq=False)
class FlaggedCall(Node):
    """A call that names a flag: the function it stands in, and the flags as written."""

    function: str
    retain: str | None
    create: str | None


def walk(node: Node) -> Iterator[Node]:
    """Walk a node and all that it is made of, in no particular order."""
    todo: list[object] = [node]
    while todo:
        item = todo.pop()
        if isinstance(item, (tuple, list)):
            todo += item
        elif isinstance(item, Node):
            yield item
            todo += [getattr(item, name) for name in item.__dataclass_fields__]
