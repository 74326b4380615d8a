"""``python -m sslens`` is the command ``sslens``."""

from sslens.headless.cli import main

if __name__ == "__main__":
    main(prog_name="sslens")
