"""What variables hold: values, which never change, and objects, which live on the heap.

An object is replaced as a whole when the program changes it (`State.put`), so that states can share
objects; each object remembers its own structural key (see `merge`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from graphlint.static import ir
from graphlint.static.execute.paths.frames import Frame
from graphlint.trace import Site

if TYPE_CHECKING:
    from graphlint.static.execute.paths.graph import Leaf

Key = tuple[Any, ...]
Address = int
NodeId = int
Origin = tuple[ir.Node, Frame]


# ------------------------------------------------------------------------------------- values
@dataclass(frozen=True, slots=True)
class Const:
    """A value that is known.

    `origin` is the call that first handed the value on as an argument; `assumed` says that the
    value follows from how a condition was assumed to turn out.
    """

    value: Any
    origin: Origin | None = field(default=None, compare=False)
    assumed: bool = field(default=False, compare=False)


@dataclass(frozen=True, slots=True)
class Some(Const):
    """A number that stands for others (Note [Skipped iterations] in `skipping`), or a text of one.

    It is `value` where an item is picked by it. Where it is compared it is `offset` more than the
    number that `about` names: a word, what tells it from others, its bounds, and its `value`.
    """

    about: Key = ()
    offset: float = 0

    @property
    def least(self) -> float:
        """The smallest number that it stands for."""
        return float(self.about[2] + self.offset)

    @property
    def most(self) -> float:
        """The largest number that it stands for."""
        return float(self.about[3] + self.offset)


@dataclass(frozen=True, slots=True)
class Member:
    """A member of an enumeration, which a `Const` holds: where it is defined, and its value."""

    enum: Address
    name: str
    value: Any


@dataclass(frozen=True, slots=True)
class Sym:
    """A value that is not known, by name: equal names are equal values.

    `node` is the last node of the graph that it carries, where it is a tensor that has one;
    `origin` is the call that first handed it on as an argument.
    """

    name: Key
    node: NodeId | None = None
    origin: Origin | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Ref:
    """A reference to an object on the heap."""

    address: Address


@dataclass(frozen=True, slots=True)
class Tuple:
    """A tuple; `written` says that the program lists its items, so that there are no more."""

    items: tuple[Value, ...]
    written: bool = field(default=False, compare=False)


@dataclass(frozen=True, slots=True)
class Func:
    """A function of the analysed program, with what it closes over.

    Attributes:
        function: its definition.
        env: the environment in which it was defined.
        defaults: the values of its parameters' defaults.
        bound: the object whose method it is.
        owner: the class that it was defined in.
        kind: `function`, `property`, `cached` (property), `static` or `class` (method).
        grad: what a decorator sets grad mode to (`no_grad`), None where it leaves it alone.
        wrapper: what a decorator makes of it: `memo` (`lru_cache`), `manager` (`contextmanager`)
            or `compiled` (`torch.compile`).
    """

    function: ir.Function
    env: Address
    defaults: tuple[tuple[str, Value], ...] = ()
    bound: Value | None = None
    owner: Address | None = None
    kind: str = "function"
    grad: bool | None = None
    wrapper: str = ""


@dataclass(frozen=True, slots=True)
class External:
    """Something of a library, by its dotted name."""

    name: str


@dataclass(frozen=True, slots=True)
class Module:
    """A file of the program, or a folder that is a package without one."""

    filename: str


@dataclass(frozen=True, slots=True)
class Imported:
    """A name of another file of the program, not looked up yet."""

    filename: str
    member: str


@dataclass(frozen=True, slots=True)
class Method:
    """An attribute of a value, about to be called: `owner.name`."""

    owner: Value
    name: str


@dataclass(frozen=True, slots=True)
class Partial:
    """`functools.partial(func, *args, **keywords)`; a `method` is bound as a function is."""

    func: Value
    args: tuple[Value, ...]
    keywords: tuple[tuple[str, Value], ...]
    method: bool = False


@dataclass(frozen=True, slots=True)
class Range:
    """`range(start, start + count * step, step)`; the count may be unknown."""

    start: Value
    count: Value
    step: int


@dataclass(frozen=True, slots=True)
class Enumerate:
    """`enumerate(items, start)`."""

    items: Value
    start: Value


@dataclass(frozen=True, slots=True)
class Zip:
    """`zip(*columns)`."""

    columns: tuple[Value, ...]


@dataclass(frozen=True, slots=True)
class Context:
    """A context manager that is known: `no_grad`, `enable_grad`, `set_grad_enabled`, `nothing`.

    `argument` is what entering it yields; of `set_grad_enabled` the mode before it was called.
    `frozen` are the leaves that want no gradients inside and after, where the program's own code
    says so; `restored` are the attributes that it sets when it is left, None for one that goes.
    """

    kind: str
    argument: Value | None = None
    frozen: tuple[frozenset[Leaf], frozenset[Leaf]] | None = None
    restored: tuple[tuple[Ref, str, Value | None], ...] = ()


@dataclass(frozen=True, slots=True)
class Super:
    """`super()` in a method: attributes are looked up behind `after`."""

    bound: Value
    after: Address


PLAIN = "plain"
"""Tags unknown values that have neither graphs nor parameters, such as settings."""
RETURNED = "made"
"""Tags what calls of unknown code return, as a whole."""
PARTS = frozenset(("attribute", "subscript", "item", "view"))
"""Names of unknown values that are parts of others."""


def source(name: object) -> object:
    """Return the name of the unknown value that one is a part of, at any depth."""
    while isinstance(name, tuple) and name and name[0] in PARTS:
        name = name[1]
    return name


Value = (
    Const
    | Sym
    | Ref
    | Tuple
    | Func
    | External
    | Module
    | Imported
    | Method
    | Partial
    | Range
    | Enumerate
    | Zip
    | Context
    | Super
)

NONE, TRUE, FALSE = Const(None), Const(True), Const(False)
CLASS_BODY = "class body"
"""Says of a dictionary, among the facts, of which class it has the members."""
UNKNOWN_KEYWORDS = "**"
"""Stands among the keywords of a call for those of a dictionary that are not known."""


# ------------------------------------------------------------------------------------ objects
@dataclass(slots=True, eq=False)
class Object:
    """Something with an identity. Never changed in place: replaced."""

    memo: dict[int, Any] = field(default_factory=dict, init=False, repr=False)


@dataclass(slots=True, eq=False)
class Env(Object):
    """The variables of a module, class body or function call."""

    vars: Mapping[str, Value]
    parent: Address | None
    globals: frozenset[str] = frozenset()
    nonlocals: frozenset[str] = frozenset()


@dataclass(slots=True, eq=False)
class Class(Object):
    """A class of the analysed program; `fields` are those that a generated `__init__` takes.

    `meta` is its metaclass, where that is a class of the program too.
    """

    name: str
    bases: tuple[Value, ...]
    members: Mapping[str, Value]
    fields: tuple[str, ...] = ()
    meta: Ref | None = None


@dataclass(slots=True, eq=False)
class Instance(Object):
    """An object of a class of the program.

    `opaque` says that the class inherits from code that is not known.
    """

    cls: Address
    attrs: Mapping[str, Value]
    opaque: bool = False


ABRIDGED = 3
"""So many items stand for the many of a list: the first, one between, and the last."""


@dataclass(slots=True, eq=False)
class List(Object):
    """A list, set or deque.

    `length` is None where the items are all there is; otherwise they stand for a first and a later
    one of that many. `yielded` says in which frames a generator yielded them, and `returned` what
    it returned then. `total` is the number of items where these are too many to be made: the first,
    one for those between, and the last.
    """

    items: tuple[Value, ...]
    length: Value | None = None
    kind: str = "list"
    yielded: tuple[Frame, ...] = ()
    total: int | None = None
    returned: Value | None = None

    @property
    def abridged(self) -> int | None:
        """How many items three of them stand for; None where they are what there is."""
        return self.total if len(self.items) == ABRIDGED else None


@dataclass(slots=True, eq=False)
class Dict(Object):
    """A dictionary; `open` says that it may have keys that are not listed.

    `factory` makes the values of missing keys, in a `defaultdict`; `of` is the object whose
    attributes these are, as they were when they were last looked at. `total`: see `List`.
    """

    items: Mapping[Any, Value]
    open: bool = False
    factory: Value | None = None
    of: Ref | None = None
    total: int | None = None

    @property
    def abridged(self) -> int | None:
        """How many entries three of them stand for; None where that is not known."""
        return self.total if self.open and len(self.items) == ABRIDGED else None


@dataclass(slots=True, eq=False)
class Tensor(Object):
    """A tensor: made by a node, or a leaf that wants gradients, or neither."""

    node: NodeId | None = None
    leaf: Leaf | None = None


@dataclass(slots=True, eq=False)
class Distribution(Object):
    """A distribution of `torch.distributions`, over the node of its parameters."""

    name: str
    node: NodeId | None


@dataclass(slots=True, eq=False)
class Layer(Object):
    """A module of `torch.nn`, by the name of its class; `attrs` are what the program sets."""

    name: str
    children: tuple[Value, ...] = ()
    keys: tuple[str, ...] = ()
    attrs: Mapping[str, Value] = field(default_factory=dict)


@dataclass(slots=True, eq=False)
class Optimizer(Object):
    """An optimizer and the leaves that its step changes.

    `repeats` says that a step may run its closure several times.
    """

    name: str
    leaves: frozenset[Leaf]
    repeats: bool = False


@dataclass(slots=True, eq=False)
class Scaler(Object):
    """A gradient scaler."""


@dataclass(slots=True, eq=False)
class FunctionContext(Object):
    """The `ctx` of a custom function: its attributes, and the statements that set them."""

    attrs: Mapping[str, Value] = field(default_factory=dict)
    places: Mapping[str, Site] = field(default_factory=dict)
