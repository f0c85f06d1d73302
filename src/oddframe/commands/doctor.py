"""The verb `oddframe doctor`."""

from typing import Annotated

import typer

from oddframe.commands.exit_codes import FINDING
from oddframe.commands.options import AsJson
from oddframe.commands.shown import parity_line, print_json, yes

__all__ = ["doctor"]


def doctor(
    model: Annotated[
        str | None,
        typer.Option(
            "--model",
            "-m",
            help="Also check that the files of this run folder or bundle are complete and unchanged.",
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Show what is installed on this machine, and check whether a model is complete.

    Example: [cyan]oddframe doctor --model runs/door[/cyan]
    """
    from oddframe.doctor import examine
    from oddframe.terminal import show_facts

    report = examine(model)
    if as_json:
        print_json(report)
    else:
        show_facts({**report["versions"], "ffmpeg": report["ffmpeg"]})
        show_facts({name: yes(there) for name, there in report["codecs"].items()})
        show_facts({f"backend {name}": yes(there) for name, there in report["backends"].items()})
        for device in report["devices"]:
            show_facts(device)
        if "bundle" in report:
            hashes = report["bundle"].pop("sha256", {})
            facts = {name: yes(value) if name == "ok" else value for name, value in report["bundle"].items()}
            show_facts({name: ", ".join(value) if isinstance(value, list) else value for name, value in facts.items()})
            show_facts({f"parity {name}": parity_line(found) for name, found in report["parity"].items()})
            show_facts({name: f"sha256 {digest}" for name, digest in hashes.items()})
    if not report["ok"]:
        raise typer.Exit(FINDING)
