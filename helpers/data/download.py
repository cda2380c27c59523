"""A data set from Kaggle through its own client: resumable, checked against the announced size, failures in words.

The client asks and authenticates; the bytes are fetched here, because an archive of 25 GB needs a room check before,
lines of progress while, and a `.part` that a later call can go on with.
"""

from __future__ import annotations

import contextlib
import io
import json
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from helpers.data.errors import WORDS_OF_STATUS, SourceError
from helpers.data.manifest import Entry
from helpers.data.staging import check_room, disk_errors, in_units, only_one

if TYPE_CHECKING:
    from helpers.environment import Place

ATTEMPTS = 6  # in a row without one new byte
PAUSE = 2.0  # seconds after the first broken attempt, doubled after each further one
TIMEOUT = (20, 90)  # seconds to connect, seconds without a byte
BLOCK = 2**16  # bytes; what a broken connection had given of the current block is lost
NO_CONNECTION = "no connection"
REASONS = {  # by the name of the exception in requests
    "ConnectionError": NO_CONNECTION,
    "ConnectTimeout": NO_CONNECTION,
    "ProxyError": NO_CONNECTION,
    "ReadTimeout": "no answer",
    "ChunkedEncodingError": "the transfer broke off",
}
TOKEN_PAGE = "https://www.kaggle.com/settings"


def download(entry: Entry, folder: Path, place: Place | None = None) -> Path:
    """Fetch the entry's archive to `folder/<slug>.zip` and return its path; a whole one is not fetched again.

    An interrupted transfer goes on where it stopped, within this call or in the next one. Raises SourceError with
    what to do: no token, consent not given, no internet, refused, cut off; StagingError where the disk is too small.
    """
    if entry.source != "kaggle":
        raise SourceError(
            f"{entry.name} is not on Kaggle (source: {entry.source}): give its path as `source`"
        )
    archive = folder / (entry.slug.split("/")[1] + ".zip")
    folder.mkdir(parents=True, exist_ok=True)
    with only_one(archive.with_name(archive.name + ".lock")):
        if not archive.is_file():
            client = _client(entry, place)
            with disk_errors(entry.name, "downloaded", "the next call goes on where this one stopped"):
                _fetch(client, entry, archive, place)
    return archive


def _client(entry: Entry, place: Place | None) -> Any:
    """A KaggleApi with the user's token, or `_Anonymous` where there is none: public data need no token.

    Importing the package authenticates too, and some versions then exit.
    """
    said = io.StringIO()
    try:
        with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
            from kaggle.api.kaggle_api_extended import KaggleApi

            client = KaggleApi()
            client.authenticate()
    except ImportError as error:
        raise SourceError(f"the Kaggle client cannot be imported ({error}): pip install kaggle") from None
    except (SystemExit, OSError, ValueError, KeyError) as error:
        if _is_connection_error(error):
            raise SourceError(_no_connection(entry, place)) from None
        if place is not None and place.name == "kaggle":
            raise SourceError(
                f"{entry.name} is not attached to this Kaggle session: {_attach(entry)}"
            ) from None
        return _Anonymous()
    return client


class _Anonymous:
    """Asks without a token."""

    def build_kaggle_client(self) -> Any:
        from kagglesdk import KaggleClient
        from kagglesdk.kaggle_env import get_env

        return KaggleClient(env=get_env())


@contextlib.contextmanager
def _asked(client: Any, entry: Entry) -> Iterator[Any]:
    """The service's answer to a request for the archive: its address and headers, the body unread."""
    from kagglesdk.datasets.types.dataset_api_service import ApiDownloadDatasetRequest

    request = ApiDownloadDatasetRequest()
    request.owner_slug, request.dataset_slug = entry.slug.split("/")
    with client.build_kaggle_client() as service:
        answer = service.datasets.dataset_api_client.download_dataset(request)
        try:
            yield answer
        finally:
            answer.close()


def _fetch(client: Any, entry: Entry, archive: Path, place: Place | None) -> None:
    import requests

    part = archive.with_name(archive.name + ".part")
    failed, pause = 0, PAUSE
    while True:
        before = part.stat().st_size if part.is_file() else 0
        try:
            with _asked(client, entry) as answer:
                size, identity = _identity(answer)
                if entry.bytes and size and entry.bytes != size:
                    print(
                        f"note:   Kaggle offers {size:,} bytes, the manifest says {entry.bytes:,}: a newer version?"
                    )
                have = _resume_from(part, size, identity)
                check_room(archive.parent, max((size or 0) - have, 0), entry.name)
                if have == 0 or have != size:
                    _transfer(answer, part, have, size, entry.name)
            break
        except requests.exceptions.HTTPError as error:
            status = error.response.status_code if error.response is not None else 0
            if status < 500 and status != 429:
                raise SourceError(_refusal(entry, status, isinstance(client, _Anonymous))) from None
            reason = WORDS_OF_STATUS.get(status, f"Kaggle answers {status}")
        except (requests.exceptions.RequestException, _CutOff) as error:
            reason = (
                str(error) if isinstance(error, _CutOff) else REASONS.get(type(error).__name__, str(error))
            )
        after = part.stat().st_size if part.is_file() else 0
        failed, pause = (0, PAUSE) if after > before else (failed + 1, pause * 2)
        if failed >= ATTEMPTS or (reason == NO_CONNECTION and not after):
            raise SourceError(
                _no_connection(entry, place)
                if reason == NO_CONNECTION
                else f"{entry.name}: {reason}, {ATTEMPTS} times in a row; {in_units(after)} are kept, try again later"
            )
        print(f"download {entry.name}: {reason}; going on from {in_units(after)} in {pause:.0f} s")
        time.sleep(pause)
    if not zipfile.is_zipfile(part):
        with open(part, "rb") as file:
            page = file.read(200).lstrip().lower().startswith((b"<!doctype", b"<html"))
        part.unlink()
        what = (
            "a web page came instead of the archive, often a login or consent page"
            if page
            else "what came is not a zip"
        )
        raise SourceError(f"{entry.name}: {what}; open {_page(entry)} in a browser and look")
    part.replace(archive)
    _marker(part).unlink(missing_ok=True)


class _CutOff(Exception):
    """The transfer ended before its announced size."""


def _identity(answer: Any) -> tuple[int | None, str]:
    """Announced size, and what proves that later bytes belong to the same archive ("" where nothing does)."""
    size = answer.headers.get("Content-Length")
    return (int(size) if size else None), answer.headers.get("ETag") or answer.headers.get(
        "Last-Modified"
    ) or ""


def _marker(part: Path) -> Path:
    return part.with_name(part.name + ".json")


def _resume_from(part: Path, size: int | None, identity: str) -> int:
    """Bytes of an earlier attempt at this very archive; anything else is thrown away."""
    facts = {"size": size, "identity": identity}
    try:
        same = json.loads(_marker(part).read_text()) == facts and bool(identity)
        have = part.stat().st_size if same else 0
    except (OSError, ValueError):
        have = 0
    if have == 0 or (size is not None and have > size):
        part.unlink(missing_ok=True)
        _marker(part).write_text(json.dumps(facts))
        return 0
    return have


def _transfer(answer: Any, part: Path, have: int, size: int | None, name: str) -> None:
    """Ask the address anew for the bytes from `have` on, with time limits the client does not set, and append."""
    import requests

    headers = {**answer.request.headers, "Accept-Encoding": "identity"}
    if have:
        headers["Range"] = f"bytes={have}-"
    body = answer.request.body
    asked = requests.request(
        answer.request.method, answer.url, headers=headers, data=body, stream=True, timeout=TIMEOUT
    )
    with asked as stream:
        stream.raise_for_status()
        if have and stream.status_code != 206:
            have = 0  # the server does not resume: from the start
        progress = _Progress(name, have, size)
        with open(part, "ab" if have else "wb") as writer:
            for block in stream.iter_content(BLOCK):
                writer.write(block)
                have += len(block)
                progress.line(have)
    if size is not None and have != size:
        raise _CutOff(f"the transfer broke off at {have:,} of {size:,} bytes")
    progress.line(have, last=True)


class _Progress:
    """One line every ten seconds: what is here, how fast, how long still."""

    def __init__(self, name: str, have: int, size: int | None):
        self.name, self.start, self.size = name, have, size
        self.began = self.said = time.monotonic()
        whole = in_units(size) if size else "an unknown size"
        print(f"download {name}: {whole}" + (f", going on from {in_units(have)}" if have else ""))

    def line(self, have: int, last: bool = False) -> None:
        now = time.monotonic()
        if not last and now - self.said < 10:
            return
        self.said = now
        rate = (have - self.start) / max(now - self.began, 1e-3)
        words = f"download {self.name}: {in_units(have)}"
        if self.size:
            words += f"  {have / self.size:4.0%}  {in_units(rate)}/s"
            words += f"  left ~{(self.size - have) / max(rate, 1) / 60:.0f} min" if not last else "  complete"
        print(words)


def _is_connection_error(error: BaseException) -> bool:
    import requests

    return isinstance(error, requests.exceptions.ConnectionError | requests.exceptions.Timeout)


def _no_connection(entry: Entry, place: Place | None) -> str:
    if place is not None and place.name == "kaggle":
        return (
            f"{entry.name}: this Kaggle session has no internet; attach the data instead: {_attach(entry)}, "
            "or switch Internet on in the session's settings"
        )
    return (
        f"{entry.name}: Kaggle cannot be reached; check the connection and call again, what has come is kept"
    )


def _attach(entry: Entry) -> str:
    return f"Add Input, search for {entry.slug}"


def _page(entry: Entry) -> str:
    return entry.consent_page or f"https://www.kaggle.com/datasets/{entry.slug}"


def _refusal(entry: Entry, status: int, anonymous: bool) -> str:
    page = _page(entry)
    if anonymous and status in (401, 403):
        return (
            f"Kaggle gives {entry.name} only with a token, and there is no valid token here: make one at {TOKEN_PAGE} "
            "(section API) and save it as ~/.kaggle/access_token, or set KAGGLE_API_TOKEN (an older kaggle.json in "
            f"~/.kaggle works too); then open {page} and accept its terms"
        )
    if status == 401:
        return f"Kaggle does not accept the token: make a new one at {TOKEN_PAGE} (section API) and save it again"
    if status == 403:
        return f"{entry.name}: Kaggle asks for consent first; open {page}, accept its terms, and call again"
    if status == 404:
        return f"{entry.name}: Kaggle has nothing at {entry.slug}; open {page} to see whether it moved"
    return f"{entry.name}: Kaggle refused the download (status {status}); open {page} to see why"
