"""Kaggle through its own client: every answer read for refusals, every failure a sentence. Nothing is ever deleted."""

from __future__ import annotations

import contextlib
import importlib.metadata
import io
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

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
PAGING_CLIENT = (2, 2, 2)  # an older one brings the first page of outputs alone


class KaggleError(RuntimeError):
    """Kaggle refused, and asking again will not help; the message says what to do."""


class KaggleBusy(KaggleError):
    """Kaggle refused for now: quota, two GPU sessions at once, too many requests."""


@dataclass(frozen=True)
class KernelState:
    """What Kaggle says of one kernel."""

    status: str  # queued | running | complete | error | cancel_requested | cancel_acknowledged | absent
    message: str = ""


class Service:
    """The calls that a campaign makes. Credentials come from Kaggle's own places and stay inside its client."""

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
        if self.dataset_status(reference) == "absent":
            answer = self._call(self.client.dataset_create_new, str(folder), quiet=True, dir_mode="zip")
        else:
            answer = self._call(
                self.client.dataset_create_version, str(folder), note, quiet=True, dir_mode="zip"
            )
        if answer.error or str(answer.status).lower() == "error":
            _refuse(f"the data set {reference}", answer.error or "no reason given")

    def dataset_status(self, reference: str) -> str:
        """`ready`, a state on the way there, or `absent`."""
        try:
            return str(self._call(self.client.dataset_status, reference)).lower()
        except _NotThere:
            return "absent"

    def push_kernel(self, folder: Path, seconds: int, accelerator: str = "") -> int:
        """Push one kernel folder; the new version's number. The client calls a refused push a success: read on."""
        metadata = json.loads((folder / "kernel-metadata.json").read_text(encoding="utf-8"))
        answer = self._call(self.client.kernels_push, str(folder), str(seconds), accelerator or None)
        name = f"the kernel {metadata['id']}"
        if answer.error:
            _refuse(name, answer.error)
        kinds = {"dataset": "data set", "kernel": "kernel", "competition": "competition", "model": "model"}
        for kind, word in kinds.items():
            refused = list(getattr(answer, f"invalid_{kind}_sources", None) or [])
            if refused:
                pages = ", ".join(page_of(kind, source) for source in refused)
                raise KaggleError(
                    f"{name} was pushed without its {word} {', '.join(refused)}: open {pages}, "
                    "see that it exists and accept its rules there, then push again"
                )
        return int(answer.version_number or 0)

    def kernel_state(self, reference: str) -> KernelState:
        """Where a kernel stands; `absent` where Kaggle knows none of that name (it answers 403 or 404)."""
        try:
            answer = self._call(self.client.kernels_status, reference)
        except _NotThere:
            return KernelState("absent")
        return KernelState(answer.status.name.lower(), answer.failure_message or "")

    def pull(self, reference: str, folder: Path) -> list[Path]:
        """Download the run folders and the log of a kernel that has ended, page by page."""
        version = importlib.metadata.version("kaggle")
        if tuple(int(part) for part in version.split(".")[:3] if part.isdigit()) < PAGING_CLIENT:
            raise KaggleError(
                f"kaggle {version} fetches the first 20 files of a kernel alone: pip install -U 'kaggle>=2.2.2'"
            )
        files, _ = self._call(
            self.client.kernels_output, reference, str(folder), RESULTS, force=True, quiet=True
        )
        return [Path(file) for file in files]

    def _call(self, method: Any, *arguments: Any, **options: Any) -> Any:
        """One call with the client's chatter kept away and its failures translated."""
        import requests

        said = io.StringIO()
        try:
            with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
                return method(*arguments, **options)
        except requests.exceptions.HTTPError as error:
            code = error.response.status_code if error.response is not None else 0
            raise _translated(code, str(error)) from None
        except requests.exceptions.RequestException as error:
            raise KaggleBusy(f"no connection to Kaggle ({type(error).__name__})") from None
        except ValueError as error:
            cause = getattr(
                error.__context__, "response", None
            )  # the client makes one sentence of 401 and 403
            if cause is not None:
                raise _translated(cause.status_code, str(error)) from None
            if isinstance(error, json.JSONDecodeError):
                raise KaggleBusy("an answer came that is not Kaggle's own: is there a login page?") from None
            raise KaggleError(f"the Kaggle client refuses: {error}") from None


class _NotThere(KaggleError):
    pass


def _translated(code: int, text: str) -> KaggleError:
    if code == 429 or code >= 500:
        return KaggleBusy(f"Kaggle answers {code}: too many requests or a fault there, try again later")
    if code == 401:
        return KaggleError(f"Kaggle does not accept this token: make a new one at {TOKEN_PAGE}")
    if code in (403, 404):
        return _NotThere(
            f"Kaggle answers {code}: not there, or its rules are not accepted by this account ({text})"
        )
    return KaggleError(f"Kaggle answers {code}: {text}")


def _refuse(what: str, reason: str) -> None:
    if any(word in reason.lower() for word in WAIT_WORDS):
        raise KaggleBusy(f"{what}: {reason}")
    raise KaggleError(f"Kaggle refuses {what}: {reason}")


def page_of(kind: str, reference: str) -> str:
    """The page to open in a browser."""
    folder = {"dataset": "datasets", "kernel": "code", "competition": "competitions", "model": "models"}[kind]
    return f"https://www.kaggle.com/{folder}/{reference}"
