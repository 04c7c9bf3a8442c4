"""``python -m eventcron`` is the ``eventcron`` command."""

from eventcron.entrypoints.cli.start import main

if __name__ == "__main__":
    main()
