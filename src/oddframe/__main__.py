"""``python -m oddframe`` is the command line."""

from oddframe.cli import main

main()
