"""The verb `oddframe doctor`: its options, and the report on the machine and a model."""

from typing import Annotated, Any

import typer

from oddframe.cli.options import FINDING, AsJson
from oddframe.cli.output import parity_line, print_json, show_facts, yes_no


def doctor(
    model: Annotated[
        str | None,
        typer.Option(
            "--model",
            "-m",
            help="Also check that the files of this run folder or bundle are complete and "
            "unchanged.",
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Show what is installed on this machine, and check whether a model is complete.

    Example: [cyan]oddframe doctor --model runs/door[/cyan]
    """
    from oddframe.tasks.doctor import examine

    report = examine(model)
    if as_json:
        print_json(report)
    else:
        show_facts({**report["versions"], "ffmpeg": report["ffmpeg"]})
        show_facts({name: yes_no(there) for name, there in report["codecs"].items()})
        show_facts({f"backend {name}": yes_no(there) for name, there in report["backends"].items()})
        for device in report["devices"]:
            show_facts(device)
        if "bundle" in report:
            # The hashes of its files are long, so they come last.
            hashes = report["bundle"].pop("sha256", {})
            show_facts({name: _as_text(name, value) for name, value in report["bundle"].items()})
            show_facts(
                {f"parity {name}": parity_line(found) for name, found in report["parity"].items()}
            )
            show_facts({name: f"sha256 {digest}" for name, digest in hashes.items()})
    if not report["ok"]:
        raise typer.Exit(FINDING)


def _as_text(name: str, value: Any) -> Any:
    """A fact of a bundle for people: yes or no, and lists as one text."""
    if name == "ok":
        return yes_no(value)
    return ", ".join(value) if isinstance(value, list) else value
