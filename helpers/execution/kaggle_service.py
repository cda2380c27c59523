"""Kaggle through its own client: every answer read for refusals, every failure a sentence. Nothing is ever deleted."""

from __future__ import annotations

import contextlib
import importlib.metadata
import io
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from packaging.version import Version

from helpers.data.errors import say

TOKEN_PAGE = "https://www.kaggle.com/settings"
# Words in a refusal that mean "later", not "never".
WAIT_WORDS = (
    "maximum batch gpu session",
    "quota",
    "too many requests",
    "rate limit",
    "try again",
    "concurrent",
)
ENDED = ("complete", "error", "cancel_acknowledged")
RESULTS = r"^runs/(?:[^.]|\.working/[^.])"  # finished runs and those to be resumed
PAGING_CLIENT = Version("2.2.2")  # an older one brings the first page of outputs alone
# What a kernel may name as its source: the word for it, and where its page is.
SOURCES = {
    "dataset": ("data set", "datasets"),
    "kernel": ("kernel", "code"),
    "competition": ("competition", "competitions"),
    "model": ("model", "models"),
}


class KaggleError(RuntimeError):
    """Kaggle refused, and asking again will not help; the message says what to do."""


class KaggleBusy(KaggleError):
    """Kaggle refused for now: quota, two GPU sessions at once, too many requests."""


class NotThere(KaggleError):
    """Kaggle knows nothing of that name, or does not show it to this account (it answers 403 or 404)."""


@dataclass(frozen=True)
class KernelState:
    """What Kaggle says of one kernel."""

    status: str  # queued | running | complete | error | cancel_requested | cancel_acknowledged | absent
    message: str = ""


class Service:
    """The calls that a kernel needs. Credentials come from Kaggle's own places and stay inside its client."""

    def __init__(self) -> None:
        try:
            self.client = self._call(self._authenticated)
        except ImportError as error:
            raise KaggleError(
                f"the Kaggle client cannot be imported ({error}): pip install kaggle six"
            ) from None
        except SystemExit:
            raise KaggleError(
                f"no valid Kaggle token here: make one at {TOKEN_PAGE} (section API) and save it as "
                "~/.kaggle/access_token, or set KAGGLE_API_TOKEN; an older ~/.kaggle/kaggle.json works too"
            ) from None

    @staticmethod
    def _authenticated() -> Any:
        # The package authenticates when imported, prints its help and exits where it cannot.
        from kaggle.api.kaggle_api_extended import KaggleApi

        client = KaggleApi()
        client.authenticate()
        return client

    @property
    def owner(self) -> str:
        """The account's name."""
        name = self.client.get_config_value(self.client.CONFIG_NAME_USER)
        if not name:
            raise KaggleError("Kaggle does not say whose token this is: give --owner NAME")
        return str(name)

    def push_dataset(self, folder: Path, reference: str, note: str) -> None:
        """Create the private data set, or a new version of it. The folder holds dataset-metadata.json."""
        options = {"quiet": True, "dir_mode": "zip"}
        if self.dataset_status(reference) == "absent":
            answer = self._call(self.client.dataset_create_new, str(folder), **options)
        else:
            answer = self._call(self.client.dataset_create_version, str(folder), note, **options)
        if answer.error or str(answer.status).lower() == "error":
            _refuse(f"the data set {reference}", answer.error or "no reason given")

    def dataset_status(self, reference: str) -> str:
        """`ready`, a state on the way there, or `absent`."""
        try:
            return str(self._call(self.client.dataset_status, reference)).lower()
        except NotThere:
            return "absent"

    def push_kernel(self, folder: Path, seconds: int, accelerator: str = "") -> int:
        """Push one kernel folder; the new version's number. The client calls a refused push a success: read on."""
        answer = self._call(self.client.kernels_push, str(folder), str(seconds), accelerator or None)
        if answer.error:
            _refuse("the kernel", answer.error)
        for kind, (word, page) in SOURCES.items():
            refused = list(getattr(answer, f"invalid_{kind}_sources", None) or [])
            if refused:
                raise KaggleError(
                    f"the kernel was pushed without its {word} {', '.join(refused)}: open "
                    f"{', '.join(f'https://www.kaggle.com/{page}/{source}' for source in refused)}, "
                    "see that it exists and accept its rules there, then push again"
                )
        return int(answer.version_number or 0)

    def kernel_state(self, reference: str) -> KernelState:
        """Where a kernel stands; `absent` where Kaggle knows none of that name."""
        try:
            answer = self._call(self.client.kernels_status, reference)
        except NotThere:
            return KernelState("absent")
        return KernelState(answer.status.name.lower(), answer.failure_message or "")

    def pull(self, reference: str, folder: Path) -> list[Path]:
        """Download the run folders and the log of a kernel that has ended, page by page."""
        version = importlib.metadata.version("kaggle")
        if Version(version) < PAGING_CLIENT:
            raise KaggleError(
                f"kaggle {version} fetches the first 20 files of a kernel alone: pip install -U 'kaggle>=2.2.2'"
            )
        options = {"force": True, "quiet": True}
        files, _ = self._call(self.client.kernels_output, reference, str(folder), RESULTS, **options)
        return [Path(file) for file in files]

    def _call(self, method: Any, *arguments: Any, **options: Any) -> Any:
        """One call with the client's chatter kept away and its failures translated."""
        import requests

        said = io.StringIO()
        try:
            with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
                return method(*arguments, **options)
        except json.JSONDecodeError:
            raise KaggleBusy("an answer came that is not Kaggle's own: is there a login page?") from None
        except (requests.exceptions.RequestException, ValueError) as error:
            # The client makes a ValueError of 401 and 403, which still knows the answer.
            cause: BaseException | None = error
            if getattr(error, "response", None) is None and hasattr(error.__context__, "response"):
                cause = error.__context__
            response = getattr(cause, "response", None)
            if response is None and isinstance(error, ValueError):
                raise KaggleError(f"the Kaggle client refuses: {error}") from None
            code = 503 if response is None else response.status_code
            kind = (
                KaggleBusy if code == 429 or code >= 500 else NotThere if code in (403, 404) else KaggleError
            )
            raise kind(f"Kaggle: {say(cause or error)}") from None


def _refuse(what: str, reason: str) -> None:
    kind = KaggleBusy if any(word in reason.lower() for word in WAIT_WORDS) else KaggleError
    raise kind(f"Kaggle refuses {what}: {reason}")
