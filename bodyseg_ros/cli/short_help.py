"""A command's help without the many parameters that `--help-all` shows."""

from __future__ import annotations

from typing import Any, Final

import typer
from typer.core import TyperCommand, TyperOption

from .nearest_flags import nearest_flags

__all__ = ["LEFT_OUT", "ShortHelpCommand", "print_everything"]

#: Prefix of the Python variables of flags that the short help leaves out.
LEFT_OUT: Final = "left_out_"


class ShortHelpCommand(TyperCommand):
    """A command whose --help leaves out some flags; parsing, completion and 'did you mean' include them."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parse the flags; a misspelled one is answered with the nearest, which click would list by the alphabet."""
        try:
            return list(super().parse_args(ctx, args))
        except Exception as err:
            if isinstance(err, typer.BadParameter) or not hasattr(err, "possibilities"):
                raise
            unknown = getattr(err, "option_name", "")
            near = nearest_flags(unknown, (flag for one in self.params for flag in one.opts))
            said = f"Did you mean {' or '.join(near)}?" if near else "--help lists them."
            err.__dict__ |= {"message": f"There is no option {unknown}. {said}", "possibilities": None}
            raise

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Write the help, short unless --help-all was given."""
        for parameter in self.params:
            if isinstance(parameter, TyperOption) and parameter.name and parameter.name.startswith(LEFT_OUT):
                parameter.hidden = not ctx.meta.get(__name__)
        super().format_help(ctx, formatter)


def print_everything(ctx: typer.Context, wanted: bool) -> None:
    """Print the help with every flag, and exit."""
    if wanted and not ctx.resilient_parsing:
        ctx.meta[__name__] = True
        typer.echo(ctx.get_help())
        raise typer.Exit
