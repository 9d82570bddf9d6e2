"""`python -m statecast` is the command line program."""

from statecast._program import main

main()
