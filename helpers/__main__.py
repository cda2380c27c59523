"""The command line: `python -m helpers COMMAND ...`. Each command lives in its own folder and is imported when used."""

from __future__ import annotations

import importlib
import os
import sys

# command -> module, function, one line of help. The function takes the rest of the arguments.
COMMANDS = {
    "run": ("helpers.execution.cli", "run", "run notebooks headless; what is finished is skipped"),
    "status": ("helpers.execution.cli", "status", "what has been run, what goes on, what is missing"),
    "prepare": (
        "helpers.execution.cli",
        "prepare",
        "write notebooks with parameters injected, execute nothing",
    ),
    "data": ("helpers.execution.data_cli", "main", "list the data sets, or check one"),
    "predict": ("helpers.demo.predict", "main", "a verdict on recordings"),
    "demo": ("helpers.demo.page", "main", "the web page"),
    "export": ("helpers.demo.export", "main", "a trained detector as one portable file"),
    "evaluate": ("helpers.evaluation.cli", "evaluate", "metrics of a score file"),
    "report": ("helpers.evaluation.cli", "report", "tables and figures of finished runs"),
    "kaggle": (
        "helpers.execution.kaggle_cli",
        "main",
        "push, watch and pull the notebooks as Kaggle kernels",
    ),
}


def usage() -> str:
    """One line a command."""
    width = max(map(len, COMMANDS))
    lines = [f"  {name:<{width}}  {entry[2]}" for name, entry in COMMANDS.items()]
    return "\n".join(["python -m helpers COMMAND ...", *lines, "each takes --help"])


def nearest(name: str, known: list[str]) -> str:
    """`: did you mean x?` or nothing."""
    import difflib

    close = difflib.get_close_matches(name, known, n=1)
    return f": did you mean {close[0]}?" if close else ""


def dispatch(argv: list[str]) -> int:
    """Import the command's module and hand it the rest; 2 for an unknown command."""
    if not argv or argv[0] in ("-h", "--help", "help"):
        print(usage())
        return 0 if argv else 2
    command, rest = argv[0], argv[1:]
    if command not in COMMANDS:
        print(f"no command {command}{nearest(command, list(COMMANDS))}\n{usage()}", file=sys.stderr)
        return 2
    module, function, _ = COMMANDS[command]
    return int(getattr(importlib.import_module(module), function)(rest) or 0)


if __name__ == "__main__":
    try:
        sys.exit(dispatch(sys.argv[1:]))
    except BrokenPipeError:  # the reader of a pipe, as in `| head`, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
