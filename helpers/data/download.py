"""A data set from Kaggle: without a token where the data are public, resumable, checked, failures in words.

Kaggle's client asks and authenticates; the bytes are fetched here, because an archive of 25 GB needs a room check
before, lines of progress while, and a `.part` that a later call can go on with.
"""

from __future__ import annotations

import base64
import contextlib
import io
import json
import re
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from helpers.data.errors import SourceError, disk_errors, say
from helpers.data.manifest import Entry
from helpers.data.staging import check_room, in_units, only_one
from helpers.files import hash_file

if TYPE_CHECKING:
    from helpers.environment import Place

ATTEMPTS = 6  # in a row without one new byte
PAUSE = 2.0  # seconds after the first broken attempt, doubled after each further one
TIMEOUT = (20, 90)  # seconds to connect, seconds without a byte
BLOCK = 2**16  # bytes; what a broken connection had given of the current block is lost
TOKEN_PAGE = "https://www.kaggle.com/settings"


def download(entry: Entry, folder: Path, place: Place | None = None) -> Path:
    """Fetch the entry's archive to `folder/<slug>.zip` and return its path; a whole one is not fetched again.

    An interrupted transfer goes on where it stopped, within this call or in the next one. Raises SourceError with
    what to do: no token, consent not given, no internet, refused, cut off; StagingError where the disk is too small.
    """
    if entry.source != "kaggle":
        raise SourceError(f"{entry.name} is not on Kaggle: give its path as `source`")
    archive = folder / (entry.slug.split("/")[1] + ".zip")
    with disk_errors(entry.name, "downloaded", "the next call goes on where this one stopped"):
        folder.mkdir(parents=True, exist_ok=True)
        with only_one(archive.with_name(archive.name + ".lock")):
            if not archive.is_file():
                _fetch(entry, archive, place)
    return archive


def _fetch(entry: Entry, archive: Path, place: Place | None) -> None:
    import requests

    part = archive.with_name(archive.name + ".part")
    login, failed, pause = None, 0, PAUSE
    while True:
        before = _size(part)
        try:
            md5 = _fetch_once(entry, part, login)
            break
        except requests.HTTPError as error:
            status = error.response.status_code if error.response is not None else 0
            if status in (401, 403) and login is None:  # not public: once more with the user's token
                login = _log_in(entry, place)
                continue
            if status < 500 and status != 429:
                raise SourceError(f"{entry.name}: {say(error)}; {_page(entry, place)}") from None
            reason = say(error)
        except (requests.RequestException, _CutOff) as error:
            reason = "the transfer broke off"
            if isinstance(error, requests.ConnectionError) and not _size(part):
                raise SourceError(f"{entry.name}: {say(error)}{_attach(entry, place)}") from None
        failed, pause = (0, PAUSE) if _size(part) > before else (failed + 1, pause * 2)
        if failed >= ATTEMPTS:
            kept = in_units(_size(part))
            raise SourceError(
                f"{entry.name}: {reason} ({ATTEMPTS} times in a row); the first {kept} are kept"
            )
        print(f"download {entry.name}: {reason}; going on from {in_units(_size(part))} in {pause:.0f} s")
        time.sleep(pause)
    wrong = ""
    if not zipfile.is_zipfile(part):
        wrong = "what came is not a zip, perhaps a login or consent page: open it in a browser and look"
    elif md5 and hash_file(part, "md5") != md5:
        wrong = "the MD5 of what came is not the one that Kaggle tells: download it again"
    if wrong:
        part.unlink()
        raise SourceError(f"{entry.name}: {wrong}; {_page(entry, place)}")
    part.replace(archive)
    _facts_file(part).unlink(missing_ok=True)


def _fetch_once(entry: Entry, part: Path, login: Any) -> str:
    """Bring `part` to its full size; the archive's MD5 where the service tells it, else ""."""
    with _asked(entry, login) as answer:
        size = int(answer.headers.get("Content-Length") or 0)
        have = _resume_from(part, size, answer.headers.get("ETag") or answer.headers.get("Last-Modified"))
        if entry.bytes and size and entry.bytes != size:
            print(
                f"note:   Kaggle offers {size:,} bytes, the manifest says {entry.bytes:,}: a newer version?"
            )
        check_room(part.parent, max(size - have, 0), entry.name)
        if not size or have < size:
            _transfer(answer, part, have, size, entry.name)
        told = re.search(r"md5=([\w+/]+=*)", answer.headers.get("x-goog-hash", ""))
        return base64.b64decode(told[1]).hex() if told else ""


@contextlib.contextmanager
def _asked(entry: Entry, login: Any) -> Iterator[Any]:
    """The service's answer to a request for the archive: its address and headers, the body unread."""
    from kagglesdk import KaggleClient
    from kagglesdk.datasets.types.dataset_api_service import ApiDownloadDatasetRequest
    from kagglesdk.kaggle_env import get_env

    request = ApiDownloadDatasetRequest()
    request.owner_slug, request.dataset_slug = entry.slug.split("/")
    with login.build_kaggle_client() if login else KaggleClient(env=get_env()) as service:
        session = getattr(service.http_client(), "_session", None)
        if (
            login is None and session is not None
        ):  # the client takes any token that is here, an outdated one too
            session.auth = None
        answer = service.datasets.dataset_api_client.download_dataset(request)
        try:
            yield answer
        finally:
            answer.close()


def _log_in(entry: Entry, place: Place | None) -> Any:
    """A KaggleApi with the user's token, old or new. Importing the package logs in too, and some versions then exit."""
    try:
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            from kaggle.api.kaggle_api_extended import KaggleApi

            client = KaggleApi()
            client.authenticate()
            return client
    except (SystemExit, OSError, ValueError, KeyError):
        raise SourceError(
            f"Kaggle gives {entry.name} only with a token, and there is no valid token here: make one at {TOKEN_PAGE} "
            "(section API) and save it as ~/.kaggle/access_token, or set KAGGLE_API_TOKEN (an older kaggle.json in "
            f"~/.kaggle works too), accept the terms, and call again; {_page(entry, place)}"
        ) from None


def _page(entry: Entry, place: Place | None) -> str:
    """Where to give consent or look what is wrong."""
    page = f"the page of the data is {entry.consent_page or f'https://www.kaggle.com/datasets/{entry.slug}'}"
    return page + _attach(entry, place)


def _attach(entry: Entry, place: Place | None) -> str:
    if place is None or place.name != "kaggle":
        return ""
    return f"; or attach the data to this Kaggle session: Add Input, search for {entry.slug}"


class _CutOff(Exception):
    """The transfer ended before its announced size."""


def _size(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0


def _facts_file(part: Path) -> Path:
    return part.with_name(part.name + ".json")


def _resume_from(part: Path, size: int, identity: str | None) -> int:
    """Bytes of an earlier attempt at this very archive (same size and ETag); anything else is thrown away."""
    facts = {"size": size, "identity": identity}
    with contextlib.suppress(OSError, ValueError):
        if identity and json.loads(_facts_file(part).read_text()) == facts and _size(part) <= size:
            return _size(part)
    part.unlink(missing_ok=True)
    _facts_file(part).write_text(json.dumps(facts))
    return 0


def _transfer(answer: Any, part: Path, have: int, size: int, name: str) -> None:
    """Ask the address anew for the bytes from `have` on, with time limits the client does not set, and append."""
    import requests

    headers = {**answer.request.headers, "Accept-Encoding": "identity"}
    if have:
        headers["Range"] = f"bytes={have}-"
    asked = answer.request
    with requests.request(
        asked.method, answer.url, headers=headers, data=asked.body, stream=True, timeout=TIMEOUT
    ) as stream:
        stream.raise_for_status()
        if stream.status_code != 206:
            have = 0  # the server does not resume: from the start
        whole = in_units(size) if size else "an unknown size"
        print(f"download {name}: {whole}" + (f", going on from {in_units(have)}" if have else ""))
        start, began, said = have, time.monotonic(), time.monotonic()
        with open(part, "ab" if have else "wb") as writer:
            for block in stream.iter_content(BLOCK):
                writer.write(block)
                have += len(block)
                if time.monotonic() - said > 10:
                    said = time.monotonic()
                    rate = (have - start) / (said - began)
                    left = f"  {have / size:4.0%}  left ~{(size - have) / rate / 60:.0f} min" if size else ""
                    print(f"download {name}: {in_units(have)}  {in_units(rate)}/s{left}")
    if size and have != size:
        raise _CutOff
    rate = (have - start) / max(time.monotonic() - began, 1e-3)
    print(f"download {name}: {in_units(have)}  {in_units(rate)}/s  complete")
