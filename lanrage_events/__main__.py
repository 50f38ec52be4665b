"""The command line: ``lanrage-events``, or ``python -m lanrage_events``."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.metadata import version

from ._hints import OWN_DISTRIBUTION, install_hint


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return the exit code of the process.

    :param arguments: the words after the name of the program, by default those of this process
    """
    words = list(sys.argv[1:] if arguments is None else arguments)
    if words == ["--version"]:  # answers without any extra
        sys.stdout.write(f"{OWN_DISTRIBUTION} {version(OWN_DISTRIBUTION)}\n")
        return 0

    try:
        from ._cli import main as run_command

        return run_command(words)
    except ModuleNotFoundError as error:
        hint = install_hint(error)
        if not hint:
            raise

        sys.stderr.write(f"{OWN_DISTRIBUTION}: {hint}\n")
        return 1


if __name__ == "__main__":
    sys.exit(main())
