"""The folder of a token set, on this machine or behind a URL; whatever is read from it is checked first.

Any address that fsspec knows will do: `s3://bucket/tokens`, `gs://...`, `https://...`, `memory://...`. It comes with
torch; what it needs for those of `REMOTE` comes with the extra of that name. A shard from afar is kept under
`TATS_HOME/shards` by its checksum and fetched once, whatever set it belongs to.
"""

from pathlib import Path
from typing import Any, Protocol

from filelock import FileLock

from tatslib.errors import UserError
from tatslib.files import replacing, sha256
from tatslib.home import home

REMOTE = ("s3", "gs", "http", "https")  # protocols whose packages the extra "remote" in pyproject.toml brings


class Folder(Protocol):
    """Where the files of a token set lie."""

    name: str

    def read_text(self, name: str) -> str | None:
        """A text file, or None if there is none of this name."""

    def check_size(self, name: str, size: int) -> None:
        """A first look at a file before anything is read, where that is cheap; a UserError as of `file`."""

    def file(self, name: str, size: int, digest: str) -> Path:
        """A file on this machine, whole and unchanged.

        Raises:
            UserError: if it is missing, or is not what its size and SHA-256 say.
        """


def open_folder(location: str | Path) -> Folder:
    """The folder at a path or a URL.

    Raises:
        UserError: if fsspec does not know the protocol or lacks a package for it.
    """
    return RemoteFolder(str(location)) if "://" in str(location) else LocalFolder(Path(location))


def find_damage(path: Path, size: int, digest: str | None = None) -> str | None:
    """What is wrong with a file, as words that follow its name; None if it is what size and SHA-256 say."""
    if not path.is_file():
        return "is missing"
    if path.stat().st_size != size:
        return f"has {path.stat().st_size} bytes instead of {size}"
    if digest is not None and sha256(path) != digest:
        return "does not match its checksum"
    return None


class LocalFolder:
    """A folder on this machine."""

    def __init__(self, folder: Path):
        self.folder, self.name = folder, str(folder)

    def read_text(self, name: str) -> str | None:
        """As `Folder`."""
        path = self.folder / name
        return path.read_text(errors="replace") if path.is_file() else None

    def check_size(self, name: str, size: int) -> None:
        """As `Folder`."""
        self._refuse(name, find_damage(self.folder / name, size))

    def file(self, name: str, size: int, digest: str) -> Path:
        """As `Folder`."""
        self._refuse(name, find_damage(self.folder / name, size, digest))
        return self.folder / name

    def _refuse(self, name: str, complaint: str | None) -> None:
        if complaint:
            again = "run the same `tats tokenize` again, which makes only what is missing or damaged"
            raise UserError(f"{self.folder / name} {complaint}: {again}.")


class RemoteFolder:
    """A folder of an object store, with a cache of what was fetched from it."""

    def __init__(self, url: str):
        self.name = url.rstrip("/")
        self.cache = home() / "shards"
        try:
            import fsspec

            self.files, self.root = fsspec.core.url_to_fs(self.name)
        except ImportError as error:
            extra = "the extra 'remote' brings it, `pip install '.[remote]'` in the folder of the repository"
            remedy = extra if url.partition("://")[0] in REMOTE else "install it"
            raise UserError(f"{url} needs a package that is not installed ({error}): {remedy}.") from error
        except ValueError as error:  # no such protocol
            raise UserError(f"{url} cannot be opened ({error}): mend the address.") from error

    def read_text(self, name: str) -> str | None:
        """As `Folder`."""
        try:
            return bytes(self._ask(self.files.cat_file, name)).decode(errors="replace")
        except FileNotFoundError:
            return None

    def check_size(self, name: str, size: int) -> None:
        """Nothing: a question for each of a thousand shards would cost more than it is worth."""

    def file(self, name: str, size: int, digest: str) -> Path:
        """As `Folder`; the copy in the cache, which is fetched again should it be damaged."""
        path = self.cache / f"{digest}.safetensors"
        if find_damage(path, size, digest) is None:
            return path
        self.cache.mkdir(parents=True, exist_ok=True)
        with FileLock(self.cache / f".{digest}.lock"):  # of several processes on a machine, one fetches
            if find_damage(path, size, digest) is None:
                return path
            with replacing(path) as temporary:
                try:
                    self._ask(self.files.get_file, name, str(temporary))
                    complaint = find_damage(temporary, size, digest)
                except FileNotFoundError:
                    complaint = "is missing"
                if complaint:
                    raise UserError(f"{self.name}/{name} {complaint}: bring it there again from the set's own folder.")
        return path

    def _ask(self, method: Any, name: str, *arguments: str) -> Any:
        try:
            return method(f"{self.root}/{name}", *arguments)
        except FileNotFoundError:
            raise
        except Exception as error:  # every protocol has exceptions of its own
            kind = type(error).__name__
            raise UserError(f"{self.name}/{name} cannot be read ({kind}: {error}): is the address right?") from error
