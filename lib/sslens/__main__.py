"""``python -m sslens`` and the command ``sslens``: from the first moment on Ctrl-C ends them without a traceback."""

import os
import signal


def _end_at_once(number: int, _: object) -> None:
    os.write(2, b"stopped; nothing half-written is left\n")
    os._exit(128 + number)


def main() -> None:
    """The command, which meets Ctrl-C itself once it has begun to write."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # in a shell's background it is ignored
        signal.signal(signal.SIGINT, _end_at_once)
    from sslens.headless.cli import main as command

    command(prog_name="sslens")


if __name__ == "__main__":
    main()
