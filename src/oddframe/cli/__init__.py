"""The command line: its verbs, its exit codes, and how errors end it.

Each verb is one function in a file of its own. It imports the library inside, so that `--help` and
a mistyped flag answer at once.
"""

import io
import signal
import sys
from typing import Annotated, NoReturn

import typer
from rich.markup import escape

from oddframe._version import __version__
from oddframe.cli.bench import bench
from oddframe.cli.calibrate import calibrate
from oddframe.cli.check_data import check
from oddframe.cli.demo import demo
from oddframe.cli.doctor import doctor
from oddframe.cli.evaluate import evaluate
from oddframe.cli.export import export
from oddframe.cli.group import VerbGroup, show_help
from oddframe.cli.options import INTERRUPTED, UNUSABLE
from oddframe.cli.output import messages, print_json
from oddframe.cli.record import record
from oddframe.cli.report import report
from oddframe.cli.score import score
from oddframe.cli.serve import serve
from oddframe.cli.train import train
from oddframe.cli.watch import watch
from oddframe.errors import OddframeError
from oddframe.extras import EXTRA_OF_VERB, require_extra

app = typer.Typer(
    name="oddframe",
    cls=VerbGroup,
    help="Find what is abnormal in video, after learning from normal video only.\n\n"
    "[bold]oddframe demo[/bold] shows everything in five minutes. With your own video:\n\n"
    "[cyan]oddframe train normal/ -o runs/door[/cyan]\n\n"
    "[cyan]oddframe score monday.mp4 --model runs/door -o out --overlay[/cyan]",
    epilog="Exit codes: 0 done, 1 a check or a recording failed, 2 unusable input, "
    "130 interrupted.",
    rich_markup_mode="rich",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
# In the order of the help page: from training a model to using it, then what is around it.
app.command()(record)
app.command()(train)
app.command()(score)
app.command()(calibrate)
app.command()(watch)
app.command()(serve)
app.command()(report)
app.command(name="eval")(evaluate)
app.command()(export)
app.command()(bench)
data = typer.Typer(name="data", cls=VerbGroup, help="Check data sets.", no_args_is_help=True)
data.command()(check)
app.add_typer(data)
app.command()(doctor)
app.command()(demo)
app.command(name="help")(show_help)


def main() -> NoReturn:
    """Run the command line and leave with its exit code."""
    # SIGTERM is handled as Ctrl-C: what is half written is removed, a training can be resumed.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    # A path may hold bytes that are no text, and a terminal may lack letters: neither is worth a
    # result.
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        verb = sys.argv[1] if len(sys.argv) > 1 else ""
        with require_extra(f"oddframe {verb}", EXTRA_OF_VERB.get(verb)):
            app()
    except OddframeError as error:
        _fail(str(error))
    except OSError as error:
        # What the system refuses where nobody expected it is still one line, with the file's name
        # in it.
        _fail(f"{error.filename}: {error.strerror}" if error.filename else str(error))
    except SystemExit as left:
        # A verb that leaves with `typer.Exit` has printed its own report already. Typer itself
        # leaves with one at Ctrl-C.
        cause = left.__context__
        is_reported = isinstance(cause, typer.Exit) and not isinstance(
            cause.__context__, KeyboardInterrupt
        )
        if left.code == INTERRUPTED and not is_reported:
            _fail("interrupted", INTERRUPTED)
        if left.code == UNUSABLE and "--json" in sys.argv and not is_reported:
            # Typer has explained it to people on standard error; programs read standard output.
            cause = left.__context__
            # The message of a wrong value does not name the option; the formatted one does.
            told = cause.format_message() if isinstance(cause, typer.BadParameter) else str(cause)
            print_json({"error": told})
        raise
    sys.exit(0)


def _fail(sentence: str, code: int = UNUSABLE) -> NoReturn:
    """Print what is wrong in one line, as JSON too if that is asked for, and leave."""
    line = " ".join(sentence.split())
    if "--json" in sys.argv:
        print_json({"error": line})
    messages.print(f"[bold red]error:[/bold red] {escape(line)}", soft_wrap=True)
    sys.exit(code)


def _show_version(wanted: bool) -> None:
    """Print the version and leave, before Typer asks for a verb."""
    if wanted:
        typer.echo(f"oddframe {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_show_version, is_eager=True, help="Print the version and exit."
        ),
    ] = False,
) -> None:
    # The callback of --version does the work, before any verb runs.
    pass
