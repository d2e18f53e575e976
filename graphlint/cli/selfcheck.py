"""`graphlint selfcheck`: hold the recorder against torch's own allocator, on this machine."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from graphlint.cli._writing import write

if TYPE_CHECKING:
    from graphlint.runtime.selfcheck import Check

_WRONG = 1


@click.command("selfcheck", short_help="Hold the recorder against torch's allocator.")
@click.option(
    "--output-format", type=click.Choice(["text", "json"]), default="text", show_default=True
)
@click.pass_context
def command(ctx: click.Context, output_format: str) -> None:
    """Compare the recorder's bytes with what torch's allocator gives back, on every device here.

    Exits with 0 if all figures are exact or are lower bounds that say so, and with 1 otherwise.
    """
    from graphlint.runtime.needs import require_torch

    require_torch()
    from graphlint.runtime.selfcheck import devices, machine, selfcheck

    checks = [check for device in devices() for check in selfcheck(device)]
    if output_format == "json":
        described = [{**asdict(check), "result": check.result} for check in checks]
        write(json.dumps({"machine": machine(), "checks": described}, indent=2) + "\n")
    else:
        write(_table(machine(), checks) + "\n")
    ctx.exit(_WRONG if any(check.result == "wrong" for check in checks) else 0)


def _table(where: str, checks: list[Check]) -> str:
    lines = [
        where,
        "",
        f"{'device':8} {'model':16} {'recorder':>10} {'allocator':>10}  bytes that a pass frees",
    ]
    for check in checks:
        changed = "" if check.unchanged else ", and the gradients differ"
        lines.append(
            f"{check.device:8} {check.model:16} {check.recorded:>10,} {check.freed:>10,}  "
            f"{check.result}{changed}"
        )
    results = [check.result for check in checks]
    counts = (f"{results.count(each)} {each}" for each in ("exact", "lower bound", "wrong"))
    return "\n".join([*lines, "", f"{', '.join(counts)}, of {len(checks)}."])
