"""Where the ``eventcron`` command starts. Imports nothing that an installation without extras lacks, to say so."""

from __future__ import annotations

import sys

#: The modules of the extra ``cli``, which the command imports when it needs them.
_OF_CLI = frozenset({"click", "icalendar", "rich", "yaml"})
#: 128 and the number of SIGINT, as a shell says it.
INTERRUPTED = 130
#: Some of what was asked for was done.
PARTLY = 3


def main(argv: list[str] | None = None) -> None:
    """Run the command. If the extra ``cli`` is not installed, say so in one sentence, with exit status 2."""
    try:
        from eventcron.entrypoints.cli.main import main as run  # noqa: PLC0415  # it imports the extra

        run(argv)
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] not in _OF_CLI:
            raise
        sys.stderr.write(
            f"eventcron: the command line needs the package {error.name}, which is not installed: run"
            " `pip install 'eventcron[cli]'`, or `pip install 'eventcron[local]'` for dev and demo too\n"
        )
        sys.exit(2)
    except KeyboardInterrupt:  # before the command itself could catch it
        sys.exit(INTERRUPTED)
