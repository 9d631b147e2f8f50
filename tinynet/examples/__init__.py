"""Programs to read, run and start from: `python -m tinynet.examples.NAME --help`."""
