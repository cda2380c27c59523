"""The command line: `python -m helpers COMMAND ...`. Each command lives in its own folder and is imported when used."""

from __future__ import annotations

import difflib
import importlib
import os
import sys

# command -> module, function, one line of help. The function takes the rest of the arguments.
COMMANDS = {
    "run": ("helpers.execution.cli", "run", "run notebooks headless; what is finished is skipped"),
    "status": ("helpers.execution.cli", "status", "what is done, what goes on, what is missing"),
    "data": ("helpers.execution.cli", "data", "list the data sets, or check one"),
    "test": ("helpers.execution.cli", "test", "score a trained run on another data set"),
    "predict": ("helpers.demo.predict", "main", "a verdict on recordings"),
    "demo": ("helpers.demo.page", "main", "the web page"),
    "export": ("helpers.demo.export", "main", "a trained detector as one portable file"),
    "evaluate": ("helpers.evaluation.cli", "evaluate", "metrics of a score file"),
    "report": ("helpers.evaluation.cli", "report", "tables and figures of finished runs"),
    "kaggle": ("helpers.execution.cli", "kaggle", "push, watch and pull the notebooks as a Kaggle kernel"),
}


def usage() -> str:
    """One line a command."""
    lines = [f"  {name:<9} {entry[2]}" for name, entry in COMMANDS.items()]
    return "\n".join(["python -m helpers COMMAND ...", *lines, "each takes --help"])


def dispatch(argv: list[str]) -> int:
    """Import the command's module and hand it the rest; 2 and a sentence for what is refused."""
    if not argv or argv[0] in ("-h", "--help", "help"):
        print(usage())
        return 0 if argv else 2
    command, rest = argv[0], argv[1:]
    if command not in COMMANDS:
        close = difflib.get_close_matches(command, COMMANDS, n=1)
        hint = f": did you mean {close[0]}?" if close else ""
        print(f"no command {command}{hint}\n{usage()}", file=sys.stderr)
        return 2
    module, function, _ = COMMANDS[command]
    try:
        return int(getattr(importlib.import_module(module), function)(rest) or 0)
    except BrokenPipeError:
        raise
    except (ValueError, OSError, RuntimeError, ImportError, KeyError) as error:
        if os.environ.get("HELPERS_TRACEBACK"):
            raise
        from helpers.data.errors import say

        print(f"{command}: {say(error)}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    try:
        sys.exit(dispatch(sys.argv[1:]))
    except BrokenPipeError:  # the reader of a pipe, as in `| head`, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
