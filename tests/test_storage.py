"""The folder of a token set, near or far: nothing damaged is read, and a URL trains as the folder itself does."""

import os
import signal
import threading
import tomllib
from collections.abc import Callable, Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import fsspec
import pytest
from fsspec.registry import known_implementations

from tatslib.datasets.sharded_clips import ShardedClips, open_tokens
from tatslib.datasets.shards import shard_name
from tatslib.datasets.storage import REMOTE, open_folder
from tatslib.errors import UserError
from tatslib.files import sha256
from tatslib.training import loop
from tatslib.training.loop import Interrupted
from tatslib.training.train_transformer import TransformerTraining, gpt_config, train_transformer
from tests.test_shards import contents, numbers, write
from tests.test_training import losses


# ------------------------------------------------------------------------------------------------------------ damage
def flip(path: Path, place: int = -5) -> None:
    whole = bytearray(path.read_bytes())
    whole[place] ^= 4
    path.write_bytes(whole)


def half_written(path: Path) -> None:
    path.rename(path.with_name(f".{path.stem}.0123abcd.partial{path.suffix}"))


def swap(path: Path) -> None:
    other = path.with_name(shard_name(0))
    both = path.read_bytes(), other.read_bytes()
    other.write_bytes(both[0])
    path.write_bytes(both[1])


DAMAGES: dict[str, tuple[Callable[[Path], object], str]] = {
    "deleted": (Path.unlink, "is missing"),
    "half-written": (half_written, "is missing"),
    "truncated": (lambda path: path.write_bytes(path.read_bytes()[:-7]), "bytes instead of"),
    "emptied": (lambda path: path.write_bytes(b""), "has 0 bytes instead of"),
    "bit-flipped": (flip, "does not match its checksum"),
    "bit-flipped in its header": (lambda path: flip(path, 20), "does not match its checksum"),
    "swapped": (swap, "does not match its checksum"),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_shard_is_named_in_one_sentence_refused_and_made_anew_alone(damage, tmp_path):
    write(tmp_path)
    before, (spoil, words) = contents(tmp_path), DAMAGES[damage]
    spoil(tmp_path / shard_name(2))
    with pytest.raises(UserError, match=words) as refused:
        ShardedClips.read(tmp_path).batch(0, 10)
    named = 0 if damage == "swapped" else 2
    assert str(refused.value).startswith(str(tmp_path / shard_name(named))) and "\n" not in str(refused.value)
    assert "run the same `tats tokenize` again" in str(refused.value)
    written = write(tmp_path)
    expected = [0, 2] if damage == "swapped" else [2]
    assert written.made == expected and list(written.damaged) == expected and words in written.damaged[2]
    assert contents(tmp_path) == before


@pytest.mark.parametrize("damage", ["truncated", "emptied", "bit-flipped", "bit-flipped in its header", "swapped"])
def test_a_shard_that_no_index_lists_is_taken_only_if_it_is_whole(damage, tmp_path):
    write(tmp_path)
    before = contents(tmp_path)
    (tmp_path / "index.json").unlink()
    assert write(tmp_path, make=None).made == [] and contents(tmp_path) == before
    (tmp_path / "index.json").unlink()
    DAMAGES[damage][0](tmp_path / shard_name(2))
    assert write(tmp_path).made == ([0, 2] if damage == "swapped" else [2])
    assert contents(tmp_path) == before


def test_a_damaged_or_lying_index_is_one_sentence(tmp_path):
    write(tmp_path)
    path = tmp_path / "index.json"
    text = path.read_text()
    for wrong, words in (
        (text[: len(text) // 2], "is not a valid ShardIndex"),
        ("\udcff".encode(errors="surrogateescape").decode(errors="replace") + text, "is not a valid ShardIndex"),
        (text.replace('"clips": 10,', '"clips": 1000000000000000,'), "4 shards of 10 clips are not 1000000000000000"),
        (text.replace('"shard_clips": 3', '"shard_clips": 4'), "4 shards of 10 clips are not 10 clips, 4 each"),
        (text.replace('"codes": 1000', '"codes": 1001'), "belongs to another set"),
        (text.replace("[\n      4,", "[\n      5,"), "belongs to another set"),
        (text.replace("[\n      4,", "[\n      1000000000000,"), "belongs to another set"),
        (text.replace("[\n      4,", "[\n      -4,"), "is not a valid ShardIndex"),
    ):
        assert wrong != text
        path.write_text(wrong)
        with pytest.raises(UserError, match=words) as refused:
            ShardedClips.read(tmp_path).batch(0, 10)
        assert "\n" not in str(refused.value)
    path.unlink()
    with pytest.raises(UserError, match=r"holds no token set"):
        open_tokens(tmp_path)


# ----------------------------------------------------------------------------------------------------- object storage
@pytest.fixture
def store(tmp_path, monkeypatch):
    """A set of four shards in an object store; the store's file system."""
    monkeypatch.setenv("TATS_HOME", str(tmp_path / "home"))
    write(tmp_path / "local")
    memory = fsspec.filesystem("memory")
    for name, content in contents(tmp_path / "local").items():
        memory.pipe(f"/bucket/tokens/{name}", content)
    yield memory
    memory.rm("/bucket", recursive=True)


def test_training_reads_the_same_from_an_object_store_and_fetches_each_shard_once(store, tmp_path):
    near, far = open_tokens(tmp_path / "local"), open_tokens("memory://bucket/tokens/")
    assert all(numbers(near.batch(step, 4)) == numbers(far.batch(step, 4)) for step in range(6))
    cached = sorted((tmp_path / "home" / "shards").glob("*.safetensors"))
    assert len(cached) == 4
    for number in range(4):
        store.rm(f"/bucket/tokens/{shard_name(number)}")
    assert numbers(open_tokens("memory://bucket/tokens").batch(0, 10)) == numbers(near.batch(0, 10))
    flip(cached[0])  # a damaged copy is fetched again, but there is nothing to fetch any more
    with pytest.raises(UserError, match=r"memory://bucket/tokens/tokens-0000\d.safetensors is missing"):
        open_tokens("memory://bucket/tokens").batch(0, 10)
    file = f"file://{tmp_path / 'local'}"
    assert numbers(open_tokens(file).batch(0, 10)) == numbers(near.batch(0, 10))


def test_a_shard_that_arrives_damaged_is_refused_and_not_kept(store, tmp_path):
    whole = store.cat_file(f"/bucket/tokens/{shard_name(1)}")
    for wrong, words in ((whole[:-1], "bytes instead of"), (whole[:-1] + b"?", "does not match its checksum")):
        store.pipe(f"/bucket/tokens/{shard_name(1)}", wrong)
        with pytest.raises(UserError, match=f"tokens-00001.safetensors (has \\d+ )?{words}"):
            open_tokens("memory://bucket/tokens").batch(0, 10)
    digest = ShardedClips.read(tmp_path / "local").shards.shards[1].sha256
    assert not (tmp_path / "home" / "shards" / f"{digest}.safetensors").exists()
    store.pipe(f"/bucket/tokens/{shard_name(1)}", whole)
    assert sorted(numbers(open_tokens("memory://bucket/tokens").batch(0, 10))) == list(range(10))


def test_an_address_that_leads_nowhere_is_one_sentence(monkeypatch):
    with pytest.raises(UserError, match="memory://nothing holds no token set"):
        open_tokens("memory://nothing")
    with pytest.raises(UserError, match="nonsense://x cannot be opened"):
        open_tokens("nonsense://x")
    memory = fsspec.filesystem("memory")

    def refuse(path: str) -> bytes:
        raise RuntimeError("no credentials")

    monkeypatch.setattr(type(memory), "cat_file", lambda self, path, *_: refuse(path))
    with pytest.raises(UserError, match=r"cannot be read \(RuntimeError: no credentials\)"):
        open_tokens("memory://bucket/tokens")


@pytest.mark.parametrize("protocol", ["s3", "gs", "http", "https"])
def test_a_protocol_whose_package_is_missing_names_the_extra_that_brings_it(protocol, monkeypatch):
    said = known_implementations[protocol]["err"]

    def refuse(url: str) -> None:  # as fsspec does it, whatever is installed here
        raise ImportError(said)

    monkeypatch.setattr(fsspec.core, "url_to_fs", refuse)
    with pytest.raises(UserError) as refused:
        open_folder(f"{protocol}://bucket/tokens")
    assert str(refused.value) == (
        f"{protocol}://bucket/tokens needs a package that is not installed ({said}): the extra 'remote' brings it, "
        "`pip install '.[remote]'` in the folder of the repository."
    )
    with pytest.raises(UserError, match=r"abfs://x/y needs a package that is not installed \(.*\): install it."):
        open_folder("abfs://x/y")


def test_the_extra_has_what_fsspec_asks_for():
    project = tomllib.loads((Path(__file__).parent.parent / "pyproject.toml").read_text())["project"]
    asked = " ".join(known_implementations[protocol]["err"] for protocol in REMOTE)
    extra = project["optional-dependencies"]["remote"]
    assert extra and all(package in asked for package in extra)


# ---------------------------------------------------------------------------------------------------------- training
@pytest.fixture(params=["memory", "http"])
def copied(request, tmp_path) -> Iterator[str]:
    """The address of a copy of the set in `tmp_path / "local"`: 24 clips in five shards."""
    write(tmp_path / "local", 24, 5, codes=30)
    if request.param == "memory":
        memory = fsspec.filesystem("memory")
        for name, content in contents(tmp_path / "local").items():
            memory.pipe(f"/bucket/tokens/{name}", content)
        yield "memory://bucket/tokens"
        memory.rm("/bucket", recursive=True)
        return
    handler = partial(SimpleHTTPRequestHandler, directory=tmp_path / "local")
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_a_training_from_a_url_stopped_in_mid_epoch_is_that_from_the_folder(copied, tmp_path, monkeypatch):
    def trained(location: str | Path, run: Path) -> list[float]:
        tokens = ShardedClips.read(location, window=2)
        training = TransformerTraining(steps=7, batch=8, warmup=2)
        train_transformer(gpt_config(tokens.index, layers=1, heads=1, width=8), training, tokens, run)
        return losses(run, "gpt")

    def stop_in_the_second_epoch(task, step, *rest):
        if step == 3:
            os.kill(os.getpid(), signal.SIGINT)
        return update(task, step, *rest)

    monkeypatch.setenv("TATS_HOME", str(tmp_path / "home"))
    whole, update = trained(tmp_path / "local", tmp_path / "near"), loop.update
    monkeypatch.setattr(loop, "update", stop_in_the_second_epoch)
    with pytest.raises(Interrupted, match="after step 4 of 7"):
        trained(copied, tmp_path / "far")
    monkeypatch.setattr(loop, "update", update)
    assert losses(tmp_path / "far", "gpt") == whole[:4]
    assert len(list((tmp_path / "home" / "shards").glob("*.safetensors"))) == 5
    monkeypatch.setenv("TATS_HOME", str(tmp_path / "other machine"))  # goes on where nothing has been fetched
    assert trained(copied, tmp_path / "far") == whole
    assert sha256(tmp_path / "far" / "model.safetensors") == sha256(tmp_path / "near" / "model.safetensors")
