"""``python -m esmm`` is the command line."""

from esmm.cli import main

main()
