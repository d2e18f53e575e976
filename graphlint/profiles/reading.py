"""From the plain data of a JSON document to dataclasses, as their annotations say."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, Field, fields, is_dataclass
from functools import cache
from types import NoneType, UnionType
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

from graphlint.errors import GraphlintError

T = TypeVar("T")
_LARGEST = 2.0**63


class ProfileError(GraphlintError):
    """A file is no profile that this version can read."""


def read(cls: type[T], data: object, place: str = "") -> T:
    """Make a dataclass from a JSON object.

    Keys that the class does not know are left aside, and fields with a default may be missing: so
    files of a version with further fields can be read, and those of one with fewer.

    Args:
        cls: the dataclass; its fields are numbers, texts, objects, dataclasses and tuples of them.
        data: what `json.loads` returned.
        place: where the object stands in the document, for errors.

    Raises:
        ProfileError: a field is missing, or of another type.
    """
    if not isinstance(data, Mapping):
        raise _malformed(place, "an object", data)
    kinds = _kinds(cls)  # type: ignore[arg-type]  # mypy is not sure that types are hashable
    parts = {}
    for field in fields(cls):  # type: ignore[arg-type]
        inside = f"{place}.{field.name}" if place else field.name
        if field.name in data:
            parts[field.name] = _value(kinds[field.name], data[field.name], inside)
        elif _is_required(field):
            raise ProfileError(f"its part `{inside}` is missing")
    return cls(**parts)


@cache
def _kinds(cls: type) -> dict[str, Any]:
    return get_type_hints(cls)


def _is_required(field: Field[Any]) -> bool:
    return field.default is MISSING and field.default_factory is MISSING


def _value(kind: Any, value: object, place: str) -> Any:
    """Read a value of the kind that a field is annotated with."""
    origin = get_origin(kind)
    if origin is tuple:
        if not isinstance(value, list):
            raise _malformed(place, "a list", value)
        (item, _) = get_args(kind)
        return tuple(_value(item, each, f"{place}[{i}]") for i, each in enumerate(value))
    if origin in (Union, UnionType):
        if value is None:
            return None
        (kind,) = set(get_args(kind)) - {NoneType}
        return _value(kind, value, place)
    if is_dataclass(kind):
        assert isinstance(kind, type)
        return read(kind, value, place)
    return _plain_value(origin or kind, value, place)


def _plain_value(kind: Any, value: object, place: str) -> object:
    if kind is float:
        kind = (int, float)
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        raise _malformed(place, _WORDS.get(kind, "an object"), value)
    if isinstance(value, (int, float)) and not -_LARGEST < value < _LARGEST:
        raise _malformed(place, "a number of reasonable size", value)
    return value


_WORDS = {
    str: "a text",
    int: "a whole number",
    bool: "true or false",
    (int, float): "a number",
}


def _malformed(place: str, wanted: str, value: object) -> ProfileError:
    return ProfileError(f"its part `{place}` should be {wanted}, and is {str(value)[:40]!r}")
