"""Values of options: lists with commas in them, over several uses of the option, and rules."""

from __future__ import annotations

import click

PerFile = tuple[tuple[str, tuple[str, ...]], ...]


def split_lists(
    _ctx: click.Context, _param: click.Parameter, values: tuple[str, ...]
) -> tuple[str, ...] | None:
    """Return the values of all uses of an option, None where it was not used."""
    if not values:
        return None
    return tuple(part.strip() for value in values for part in value.split(",") if part.strip())


def split_pairs(
    ctx: click.Context, param: click.Parameter, values: tuple[str, ...]
) -> PerFile | None:
    """Return pairs of a glob and a rule (`tests/*:RG101,docs:RG1`), None where there are none."""
    pairs = []
    for part in split_lists(ctx, param, values) or ():
        glob, colon, selector = part.rpartition(":")  # a glob may have a colon of its own
        if not (glob and colon and selector):
            raise click.BadParameter(
                f"{part!r} is no pair of a glob and a rule, such as `tests/*:RG101`."
            )
        pairs.append((glob, (selector,)))
    return tuple(pairs) or None


def complete_codes(_ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[str]:
    """Offer a shell the codes of rules that go on as what was typed does."""
    from graphlint.rules import all_rules

    return [rule.code for rule in all_rules() if rule.code.startswith(incomplete.upper())]
