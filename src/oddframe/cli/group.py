"""What all verbs share as a group: mistakes on the command line in our words, `oddframe help`.

Typer reports a wrong value in the words of pydantic, and an unknown command without saying what
there is. Both are reworded here, in one place, and printed by Typer as before.
"""

import re
from collections.abc import Mapping
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from oddframe.errors import did_you_mean

_WANTED = {
    "bool_parsing": "be true or false",
    "float_parsing": "be a number",
    "greater_than": "be above {gt}",
    "greater_than_equal": "be at least {ge}",
    "int_from_float": "be a whole number",
    "int_parsing": "be a whole number",
    "less_than": "be below {lt}",
    "less_than_equal": "be at most {le}",
}
"""What must hold, by pydantic's type of error; other types stay in pydantic's words."""


class VerbGroup(TyperGroup):
    """A group of verbs whose errors say what must hold, what was found and what to do."""

    def invoke(self, ctx: Any) -> Any:
        """Run the verb; reword an error in one of its options."""
        try:
            return super().invoke(ctx)
        except typer.BadParameter as error:
            # Typer keeps what pydantic found as the cause.
            found = getattr(error.__cause__, "errors", None)
            if found is not None:
                error.message = reword(found()[0]) or error.message
            raise

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Find the verb that is asked for; an error names the verbs that there are."""
        if args and not args[0].startswith("-") and args[0] not in self.commands:
            names = ", ".join(self.commands)
            near = did_you_mean(args[0], self.commands)
            ctx.fail(f"a command must be one of {names}, got {args[0]!r}{near}")
        return super().resolve_command(ctx, args)


def reword(found: Mapping[str, Any]) -> str | None:
    """Say in our words what is wrong with a value.

    Args:
        found: One error of pydantic's.

    Returns:
        The sentence; None where we have no better words than pydantic.
    """
    value = found["input"]
    choices = re.fullmatch(r"Value error, .* is not one of (.*)\.", found["msg"])
    if choices is not None:
        known = re.findall(r"'(.*?)'", choices[1])
        return f"it must be one of {', '.join(known)}, got {value!r}{did_you_mean(value, known)}"
    wanted = _WANTED.get(found["type"])
    if wanted is None:
        return None
    shown = f"'{value}'" if isinstance(value, str) else value
    return f"it must {wanted.format(**found.get('ctx', {}))}, got {shown}"


def show_help(
    ctx: typer.Context,
    verb: Annotated[
        list[str] | None,
        typer.Argument(help="The command to explain, such as score or data check."),
    ] = None,
) -> None:
    """Explain a command: what it does, an example and every option; without one, all commands.

    Example: [cyan]oddframe help score[/cyan]
    """
    root = ctx.find_root()
    root.command.main(args=[*(verb or ()), "--help"], prog_name=root.info_name)
