"""How answers are shown: as JSON, as sentences, as amounts."""

import json
import math
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

__all__ = ["duration", "escaped", "parity_line", "print_json", "warn", "yes"]


def print_json(value: object) -> None:
    """Print a report as one line of JSON."""
    sys.stdout.write(json.dumps(_plain(value), ensure_ascii=False, allow_nan=False) + "\n")


def _plain(value: Any) -> Any:
    """A report as JSON values: dataclasses by field, paths as text, null for what is no number."""
    from dataclasses import fields, is_dataclass

    if isinstance(value, float) and not math.isfinite(value):
        return None
    if is_dataclass(value):
        # What a record's repr leaves out are its pictures.
        return {item.name: _plain(getattr(value, item.name)) for item in fields(value) if item.repr}
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return str(value) if isinstance(value, Path) else value


def warn(sentences: Sequence[str], mark: str = "[yellow]note:[/yellow]") -> None:
    """Print sentences on standard error."""
    from oddframe.terminal import messages

    for sentence in sentences:
        messages.print(f"{mark} {escaped(sentence)}", soft_wrap=True)


def escaped(text: str) -> str:
    """A text in which rich sees no markup."""
    from rich.markup import escape

    return escape(text)


def yes(value: bool) -> str:
    """Yes or no, in colour."""
    return "[green]yes[/green]" if value else "[red]no[/red]"


def duration(seconds: float) -> str:
    """Seconds as people say them."""
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes else f"{seconds:.1f} s"


def parity_line(found: dict[str, Any]) -> str:
    """Say in one line how close the results of an exported network are to the trained one's."""
    events = "the same events" if found["events_same"] else "different events"
    line = (
        f"raw scores differ by at most {100 * found['raw_error']:.4f} %, {events}, "
        f"alarms differ in {found['alarms_off']} of {found['clips']} clips"
    )
    if "auc" in found:
        pairs = ((name, auc, found["auc"]["exported"][name]) for name, auc in found["auc"]["trained"].items())
        line += "".join(f", {name} AUC {before:.4f} -> {now:.4f}" for name, before, now in pairs)
    return line if found["passed"] else f"[yellow]not used[/yellow]: {line}"
