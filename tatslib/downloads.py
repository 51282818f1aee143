"""Files from elsewhere: fetched once, continued where the line broke, and never taken for what they are not.

The authors put their checkpoints on Google Drive and published neither sizes nor checksums. So the first download of
a file writes its SHA-256 beside it, and whatever comes later under the same name is held against that.
"""

import hashlib
import os
import shutil
from pathlib import Path
from typing import NamedTuple

import gdown
from filelock import FileLock

from tatslib.errors import UserError, did_you_mean
from tatslib.files import replacing
from tatslib.foreign import is_web_page
from tatslib.home import home
from tatslib.progress import progress

RETRIES = 5  # of a broken connection, after growing pauses
SECONDS_WITHOUT_A_BYTE = 60.0
DRIVE = "https://drive.google.com/uc?id="


class Released(NamedTuple):
    """A file that the authors released."""

    drive: str  # its id on Google Drive
    what: str


RELEASED = {
    "ucf101-vqgan": Released("15Otpyr7v6Wnyw2HfQr_cuaRsBiSMd7Rh", "VQGAN of UCF-101"),
    "ucf101-class": Released("1Nxt35mmBDuNANxHP0p8WBMWXOQ-YPkus", "transformer of UCF-101, knows its 101 classes"),
    "ucf101-unconditional": Released("1pQsMdO2b84m7asp_lNg44c_UE5DUC6pa", "transformer of UCF-101 without classes"),
    "sky-vqgan": Released("1ExV0XdJKlGP4lzn0X2W9307X-DE240iW", "VQGAN of Sky Time-lapse"),
    "sky-base": Released("1mtd_mC0ZEvImlPXAdda2-4CvE-10Ljci", "transformer of Sky Time-lapse"),
    "sky-sparse": Released("15ay8Lrra6opBU4o__CnrHfR2Caq2G-1G", "the same of every 4th latent frame (hierarchical)"),
    "sky-interpolation": Released("1WJiH3qh1_fe3PLbzKdRKR-h6iFudtAfr", "fills in between them"),
    "taichi-vqgan": Released("1hcWIADkDsm916Xkxfz1YbljHU2ZAQFpQ", "VQGAN of Taichi-HD"),
    "taichi-base": Released("10j0p4PlkZwqQd7CmZmk9-4_ZboW4r03R", "transformer of Taichi-HD"),
    "taichi-hierarchical-vqgan": Released("15zujnX54wfqhhIToocvyHhdpbsxcTIv0", "VQGAN of the next two"),
    "taichi-sparse": Released("1TrjbpGwCkFhvsiQrnl5EH76HYZoWszbY", "transformer of every 4th latent frame"),
    "taichi-interpolation": Released("1EQnV3IqmwFsEdza7gz4PUeUqr9bINPkz", "fills in between them"),
    "mugen-vqgan": Released("1H-l80_zOYtIj2g7IonjRej00B9LeleRi", "VQGAN of MUGEN"),
    "mugen-text": Released("1uZICD3DgbRlto__mEEY6i0i9n20eRLcV", "transformer of MUGEN, told by text"),
    "drums-vqgan": Released("1ZpQkVUoGWShL2M8phTzyO6W9-uYPJ40J", "VQGAN of AudioSet-Drum's video"),
    "drums-sound-vqgan": Released("1CNQLfgazb7OI_c69RWUdhO56mg-9HN-o", "VQGAN of its sound"),
    "drums-sound": Released("1eHP0eSv3s-NGAv60HbF3AZsp3SBvR70u", "transformer of AudioSet-Drum, led by sound"),
}


def released_file(name: str, folder: Path | None = None) -> Path:
    """The released file called `name`, downloaded unless it is there already.

    Args:
        name: of `RELEASED`.
        folder: where to keep it; absent, `released` under `TATS_HOME`.

    Raises:
        UserError: for an unknown name, and as `fetch` does.
    """
    if name not in RELEASED:
        known = list(RELEASED)
        raise UserError(f"{name!r} is not a released file{did_you_mean(name, known)}: {', '.join(known)}.")
    return fetch(DRIVE + RELEASED[name].drive, (folder or home() / "released") / f"{name}.ckpt")


def fetch(url: str, path: Path, sha256: str | None = None, bytes: int | None = None, retries: int = RETRIES) -> Path:
    """Download `url` to `path`, unless the file is there and is the right one.

    A broken connection is taken up again where it broke, by this call and by later ones. `path` appears only when the
    file is whole and checked. If `TATS_MIRROR` names a folder that holds a file of the same name, that one is copied
    and the network is left alone.

    Args:
        url: of Google Drive or any other server.
        path: where to put the file.
        sha256: what it has to be, in hexadecimal. Absent, it is what a first download wrote to `path` + ".sha256", in
            the form of `sha256sum`.
        bytes: its size, where known.
        retries: how often to take up a broken connection again.

    Returns:
        `path`.

    Raises:
        UserError: in one sentence, if the file cannot be had, is a web page, or is another one than expected.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    record = path.with_name(f"{path.name}.sha256")
    with FileLock(path.with_name(f".{path.name}.lock")):
        recorded = record.read_text().split()[:1] if record.is_file() and sha256 is None else []
        expected = sha256 or (recorded[0] if recorded else None)
        if path.is_file():
            digest = _check(path, str(path), expected, bytes, record if recorded else None)
        else:
            arrived = path.with_name(f".{path.name}.arrived")
            source = _bring(url, arrived, path.name, retries)
            try:
                digest = _check(arrived, source, expected, bytes, record if recorded else None)
            except UserError:
                arrived.unlink()
                raise
            arrived.replace(path)
        if expected is None:
            with replacing(record) as temporary:
                temporary.write_text(f"{digest}  {path.name}\n")
    return path


def _check(path: Path, source: str, sha256: str | None, bytes: int | None, record: Path | None) -> str:
    """The SHA-256 of a file, which has to be the expected one."""
    if is_web_page(path):
        raise UserError(
            f"{source} is a web page, not the file: it may have been downloaded too often of late, or be gone; try "
            "again tomorrow, or put the file into a folder and name that in TATS_MIRROR."
        )
    size = path.stat().st_size
    if bytes is not None and size != bytes:
        raise UserError(f"{source} has {size} bytes instead of {bytes}: delete what is there and download it again.")
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    if sha256 is not None and digest != sha256.lower():
        advice = f"; if the new one is right, delete {record}" if record else ""
        raise UserError(
            f"{source} has the SHA-256 {digest[:12]}... instead of {sha256[:12]}...: it is damaged or another file; "
            f"delete it and download again{advice}."
        )
    return digest


def _bring(url: str, target: Path, name: str, retries: int) -> str:
    """Copy or download to `target`; returns the words for where it came from."""
    mirror = os.environ.get("TATS_MIRROR")
    if mirror and not Path(mirror).is_dir():
        raise UserError(f"TATS_MIRROR names {mirror}, which is no folder: mend or unset it.")
    if mirror and (Path(mirror) / name).is_file():
        with replacing(target) as temporary:
            shutil.copyfile(Path(mirror) / name, temporary)
        return str(Path(mirror) / name)
    _download(url, target, retries)
    return f"what came from {url}"


def _download(url: str, target: Path, retries: int) -> None:
    """Let `gdown` bring the file to `target`; what has arrived so far stays beside it under a name of its choice."""
    _keep_one(target)
    before = _waiting(target)
    try:
        _gdown(url, target, retries)
    except gdown.FileURLRetrievalError as error:
        reason = _line(error).removeprefix("Failed to retrieve file url: ").partition(" You may still be able")[0]
        raise UserError(
            f"Google Drive does not give out {url} ({reason}): try again tomorrow, or get the file with a browser and "
            "name its folder in TATS_MIRROR."
        ) from error
    except (gdown.DownloadError, OSError) as error:
        refused = isinstance(error, gdown.DownloadError) and not isinstance(error.__cause__, OSError)
        if before and refused and _waiting(target) == before:  # the server will not go on from there: begin anew
            for part in _parts(target):
                part.unlink()
            _download(url, target, retries)
            return
        kept = _waiting(target)
        advice = f"the {kept / 1e6:.1f} MB that have arrived are kept, run it again" if kept else "try again later"
        raise UserError(f"{url} could not be downloaded ({_line(error)}): {advice}.") from error


def _gdown(url: str, target: Path, retries: int) -> None:
    with progress(label=target.name.strip(".").removesuffix(".arrived"), unit="B", unit_scale=True) as bar:

        def show(done: int, total: int | None) -> None:
            bar.total = total
            bar.update(done - bar.n)

        gdown.download(
            url,
            str(target),
            quiet=True,
            use_cookies=False,  # nothing of the user's goes along, nothing is left in the user's home
            resume=True,
            progress=show,
            timeout=SECONDS_WITHOUT_A_BYTE,
            retries=retries,
        )


def _parts(target: Path) -> list[Path]:
    """Unfinished downloads of `target`, the largest first."""
    found = [p for p in target.parent.iterdir() if p.name.startswith(target.name) and p.suffix == ".part"]
    return sorted(found, key=lambda part: -part.stat().st_size)


def _waiting(target: Path) -> int:
    """Bytes of an unfinished download."""
    return sum(part.stat().st_size for part in _parts(target))


def _keep_one(target: Path) -> None:
    """Of several unfinished downloads, as killed processes leave them, only one can be continued."""
    for part in _parts(target)[1:]:
        part.unlink()


def _line(error: BaseException) -> str:
    """An error in one line, without the advice that is meant for the users of another command."""
    words = " ".join(str(error).split()) or type(error).__name__
    return words.partition(" The received bytes are kept")[0].rstrip(".")[:300]
