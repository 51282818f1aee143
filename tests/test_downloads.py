"""Downloads against a server on this machine: broken lines, wrong files, servers that cannot go on."""

import hashlib
import re
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tatslib import downloads
from tatslib.downloads import RELEASED, fetch, released_file
from tatslib.errors import UserError

CONTENT = bytes(range(256)) * 8192  # 2 MB, four of the pieces in which it is read
SHA256 = hashlib.sha256(CONTENT).hexdigest()


class Server(ThreadingHTTPServer):
    """Serves one file under any name, as badly as it is told to."""

    content = CONTENT
    status = 200
    drops = 0  # how many more answers break off halfway
    ranges = True  # whether it can begin in the middle
    asked: list[str]  # the Range of each request

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/file.bin"


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        server, content = self.server, self.server.content
        span = self.headers.get("Range", "")
        server.asked.append(span)
        start = int(re.findall(r"\d+", span)[0]) if span and server.ranges else 0
        if start >= len(content):
            self.send_error(416)
            return
        self.send_response(206 if start else server.status)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        self.send_header("Content-Length", str(len(content) - start))
        self.send_header("ETag", f'"{hashlib.sha256(content).hexdigest()}"')
        self.end_headers()
        rest = content[start:]
        if server.drops:
            server.drops -= 1
            rest = rest[: len(rest) // 2]
        self.wfile.write(rest)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.delenv("TATS_MIRROR", raising=False)
    monkeypatch.setattr("random.uniform", lambda low, high: 0.0)  # pauses between tries
    with Server(("127.0.0.1", 0), Handler) as running:
        running.asked = []
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield running
        running.shutdown()
        thread.join()


def test_a_file_arrives_whole_with_its_checksum_beside_it(server, tmp_path):
    path = fetch(server.url, tmp_path / "new" / "file.bin")
    assert path.read_bytes() == CONTENT
    assert (tmp_path / "new" / "file.bin.sha256").read_text() == f"{SHA256}  file.bin\n"
    assert fetch(server.url, path) == path and len(server.asked) == 1  # it is there: nobody is asked again


def test_a_connection_that_breaks_is_taken_up_where_it_broke(server, tmp_path):
    server.drops = 2
    assert fetch(server.url, tmp_path / "file.bin", sha256=SHA256, bytes=len(CONTENT)).read_bytes() == CONTENT
    begun = [int(span.removeprefix("bytes=").rstrip("-")) for span in server.asked if span]
    assert len(begun) == 2 and 0 < begun[0] < begun[1] < len(CONTENT)


def test_a_download_that_was_given_up_goes_on_at_the_next_call(server, tmp_path):
    server.drops = 1
    with pytest.raises(UserError, match=r"could not be downloaded .* MB that have arrived are kept, run it again"):
        fetch(server.url, tmp_path / "file.bin", retries=0)
    assert not (tmp_path / "file.bin").exists()
    assert fetch(server.url, tmp_path / "file.bin", sha256=SHA256).read_bytes() == CONTENT
    assert server.asked[-1].startswith("bytes=")
    assert {path.name for path in tmp_path.iterdir()} == {"file.bin", ".file.bin.lock"}


def test_what_killed_processes_left_is_cleared_up_and_the_longest_piece_used(server, tmp_path):
    for number, size in enumerate((10, 1000, 0)):
        (tmp_path / f".file.bin.arrivedabcdefg{number}.part").write_bytes(CONTENT[:size])
    fetch(server.url, tmp_path / "file.bin", sha256=SHA256)
    assert server.asked[-1] == "bytes=1000-"


@pytest.mark.parametrize("waiting", [1000, len(CONTENT)])
def test_a_server_that_will_not_go_on_is_asked_from_the_beginning(server, tmp_path, waiting):
    server.ranges = waiting == len(CONTENT)  # of a whole file no server can give the rest
    (tmp_path / ".file.bin.arrivedabcdefgh.part").write_bytes(b"x" * waiting)
    assert fetch(server.url, tmp_path / "file.bin", sha256=SHA256).read_bytes() == CONTENT
    assert not list(tmp_path.glob("*.part"))


def test_a_web_page_in_place_of_the_file_is_refused(server, tmp_path):
    server.content = b"<!DOCTYPE html><html><body>Too many users have viewed or downloaded this file.</body></html>"
    with pytest.raises(UserError, match=r"is a web page, not the file: .* TATS_MIRROR"):
        fetch(server.url, tmp_path / "file.bin")
    server.content = CONTENT  # and the page is not taken for the beginning of the file later
    assert fetch(server.url, tmp_path / "file.bin").read_bytes() == CONTENT


def test_another_size_or_checksum_than_expected_is_refused(server, tmp_path):
    with pytest.raises(UserError, match=f"has {len(CONTENT)} bytes instead of 7"):
        fetch(server.url, tmp_path / "file.bin", bytes=7)
    with pytest.raises(UserError, match=f"has the SHA-256 {SHA256[:12]}... instead of 000000000000..."):
        fetch(server.url, tmp_path / "file.bin", sha256="0" * 64)
    assert not (tmp_path / "file.bin").exists()


def test_a_later_download_is_held_against_the_first(server, tmp_path):
    path = fetch(server.url, tmp_path / "file.bin")
    path.unlink()
    assert fetch(server.url, path).read_bytes() == CONTENT
    path.write_bytes(CONTENT[:-1] + b"!")
    with pytest.raises(UserError, match=r"file\.bin has the SHA-256 .* delete it and download again; if the new one"):
        fetch(server.url, path)
    path.unlink()
    server.content = CONTENT[::-1]
    with pytest.raises(
        UserError, match=r"what came from http://.* damaged or another file; .* delete .*file\.bin\.sha256"
    ):
        fetch(server.url, path)
    assert not path.exists()


def test_a_server_that_says_no_or_is_not_there_is_one_sentence(server, tmp_path):
    server.status = 404
    with pytest.raises(UserError, match=r"could not be downloaded .*404") as caught:
        fetch(server.url, tmp_path / "file.bin")
    assert "\n" not in str(caught.value)
    with pytest.raises(UserError, match=r"could not be downloaded .*: try again later"):
        fetch("http://127.0.0.1:9/file.bin", tmp_path / "file.bin", retries=1)


def test_what_google_drive_says_is_one_sentence(tmp_path, monkeypatch):
    monkeypatch.delenv("TATS_MIRROR", raising=False)

    def refuse(url: str, *_: object, **__: object) -> None:
        raise downloads.gdown.FileURLRetrievalError(
            f"Failed to retrieve file url:\n\n\tToo many users have viewed\n\tor downloaded this file recently.\n\n"
            f"You may still be able to access the file from the browser:\n\n\t{url}\n\nbut Gdown can't."
        )

    monkeypatch.setattr(downloads.gdown, "download", refuse)
    with pytest.raises(UserError) as caught:
        released_file("sky-vqgan", tmp_path)
    assert "(Too many users have viewed or downloaded this file recently.)" in str(caught.value)
    assert RELEASED["sky-vqgan"].drive in str(caught.value) and "\n" not in str(caught.value)


def test_a_mirror_is_looked_at_before_the_network(server, tmp_path, monkeypatch):
    mirror = tmp_path / "mirror"
    mirror.mkdir()
    (mirror / "sky-vqgan.ckpt").write_bytes(b"PK weights")
    monkeypatch.setenv("TATS_MIRROR", str(mirror))
    path = released_file("sky-vqgan", tmp_path / "here")
    assert path.read_bytes() == b"PK weights" and path.parent == tmp_path / "here"
    assert fetch(server.url, tmp_path / "other.bin").read_bytes() == CONTENT  # what it has not is downloaded
    (mirror / "third.bin").write_bytes(b"PK other")
    with pytest.raises(UserError, match=r"mirror/third\.bin has the SHA-256"):
        fetch(server.url, tmp_path / "third.bin", sha256=SHA256)
    monkeypatch.setenv("TATS_MIRROR", "nowhere")
    with pytest.raises(UserError, match="TATS_MIRROR names nowhere, which is no folder"):
        fetch(server.url, tmp_path / "fourth.bin")


def test_released_files_are_kept_at_home_and_a_misspelt_name_is_answered(tmp_path, monkeypatch):
    monkeypatch.setenv("TATS_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("TATS_MIRROR", str(tmp_path))
    (tmp_path / "ucf101-class.ckpt").write_bytes(b"PK")
    assert released_file("ucf101-class") == Path(tmp_path / "home" / "released" / "ucf101-class.ckpt")
    with pytest.raises(UserError, match=r"perhaps you meant 'ucf101-vqgan'"):
        released_file("ucf-vqgan")


def test_every_released_file_has_a_name_of_its_own_and_an_id_of_its_own():
    assert len({released.drive for released in RELEASED.values()}) == len(RELEASED) == 17
    assert all(re.fullmatch(r"[\w-]{33}", released.drive) for released in RELEASED.values())
