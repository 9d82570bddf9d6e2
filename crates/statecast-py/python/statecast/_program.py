"""The command line program."""

import signal
import sys

from statecast._core import run_program


def main() -> None:
    """Runs the program on the process' arguments. Ctrl-C and a closed pipe end it as they end any program."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    sys.exit(run_program(["statecast", *sys.argv[1:]]))
