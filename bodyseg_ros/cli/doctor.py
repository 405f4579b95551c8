"""`bodyseg doctor`: what works on this machine, and the line that mends what does not."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Final

import typer
from rich.console import Console
from rich.text import Text

from .doctor_checks import CHECKS, Finding
from .native_noise import hold_native_noise
from .reporting import AsJson, print_json, progress_console

__all__ = ["doctor"]

_SIGNS: Final = {"ok": ("✓", "green"), "note": ("–", "yellow"), "wrong": ("✗", "red")}


def doctor(
    only: Annotated[list[str] | None, typer.Argument(metavar="[TOPIC]…", help=f"From {', '.join(CHECKS)}.")] = None,
    as_json: AsJson = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print only what is wrong.")] = False,
) -> None:
    """Look at this installation, and print what works, what does not, and the line that mends it.

    It looks at optional packages, C kernels, plugins, engines (each runs the shipped model), GPUs, models, folders, and
    the ROS graph. The exit status is 1 if something is wrong; what is only absent is not wrong.

    Example: bodyseg doctor
    """
    for topic in only or ():
        if topic not in CHECKS:
            raise typer.BadParameter(f"There is no topic {topic!r}; there are {', '.join(CHECKS)}.")
    console = Console(soft_wrap=True)
    progress_console.quiet = quiet or as_json
    findings: list[Finding] = []
    for topic in only or CHECKS:
        what, check = CHECKS[topic]
        with progress_console.status(f"looking at {what} …"), hold_native_noise():
            found = list(check())
        findings += found
        if not as_json:
            _print(console, topic, [one for one in found if one.state == "wrong" or not quiet])
    if as_json:
        print_json([asdict(finding) for finding in findings])
    if any(finding.state == "wrong" for finding in findings):
        raise typer.Exit(1)


def _print(console: Console, topic: str, findings: list[Finding]) -> None:
    if findings:
        console.print(topic, style="bold")
    for finding in findings:
        sign, style = _SIGNS[finding.state]
        console.print(Text.assemble((f"  {sign} ", style), finding.text))
        if finding.mend:
            console.print(Text(f"      {finding.mend}", style="cyan"))
