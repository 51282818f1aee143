"""Token sets in shards: each clip once an epoch, and finished after any stop; see `test_storage` for their folder."""

import os
import random
import signal
import socket
import time
from pathlib import Path

import pytest
import torch
import torch.multiprocessing
from hypothesis import given, settings
from hypothesis import strategies as st

from tatslib.datasets.sharded_clips import ShardedClips, Shuffle, open_tokens
from tatslib.datasets.shards import ClipSource, ShardSettings, Written, shard_name, write_shards
from tatslib.datasets.storage import open_folder
from tatslib.datasets.tokens import Lead, TokenClips, TokenIndex
from tatslib.distributed import process_group
from tatslib.errors import UserError
from tatslib.training.loop import train
from tatslib.training.token_shards import Later, latent_frames_of
from tatslib.training.train_transformer import TransformerTask, TransformerTraining, gpt_config
from tests.test_training import TINY, Noise

SOURCE = ClipSource(videos=1, frames=8, stride=1, resolution=8, position="random", seed=0, digest="0" * 12)


def plan(clips: int, shard_clips: int, **changes) -> ShardSettings:
    index = {"clips": clips, "codes": 1000, "latent_shape": (4, 1, 1), "classes": ("a", "b"), "vqgan": "0" * 12}
    return ShardSettings(tokens=TokenIndex(**{**index, **changes}), source=SOURCE, shard_clips=shard_clips)


def numbered(first: int, count: int) -> TokenClips:
    """Clips whose tokens are their numbers."""
    numbers = torch.arange(first, first + count)
    tokens = numbers.view(-1, 1, 1, 1).expand(-1, 4, 1, 1)
    return TokenClips(tokens, numbers % 2, plan(count, count).tokens)


def write(folder: Path, clips: int = 10, shard_clips: int = 3, make=numbered, **changes) -> Written:
    return write_shards(folder, plan(clips, shard_clips, **changes), make)


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if not path.name.startswith(".")}


class InMemory(ShardedClips):
    """A set whose shards need no files."""

    def __init__(self, clips: int, shard_clips: int, window: int, seed: int = 0):
        self.loaded: list[int] = []
        super().__init__(open_folder("nowhere"), plan(clips, shard_clips).nothing_done(), seed, window)

    def shard(self, number: int) -> TokenClips:
        self.loaded.append(number)
        return numbered(number * self.shards.shard_clips, self.shards.shards[number].clips)


def numbers(batch: tuple[torch.Tensor, torch.Tensor]) -> list[int]:
    assert torch.equal(batch[0][:, 0].flatten() % 2, batch[1])  # labels stay with their clips
    return batch[0][:, 0].flatten().tolist()


# ------------------------------------------------------------------------------------------------------------- order
@settings(max_examples=60, deadline=None)
@given(st.integers(1, 40), st.integers(1, 9), st.integers(1, 4), st.integers(1, 6), st.sampled_from([1, 2, 3]))
def test_an_epoch_has_every_clip_once_after_a_stop_in_it_and_on_any_number_of_processes(
    clips, shard_clips, window, size, processes
):
    steps = -(-3 * clips // (6 * size))
    whole = InMemory(clips, shard_clips, window)
    batches = [numbers(whole.batch(step, 6 * size)) for step in range(steps)]
    seen = [number for batch in batches for number in batch]
    for epoch in range(3):
        assert sorted(seen[epoch * clips : (epoch + 1) * clips]) == list(range(clips))
    share = 6 * size // processes
    ranks = [InMemory(clips, shard_clips, window) for _ in range(processes)]
    for step in range(steps // 2, steps):  # goes on in the middle, with another number of processes, none of which
        for rank, data in enumerate(ranks):  # has seen anything before
            found = numbers(data.batch(step, share, rank=rank, world_size=processes))
            assert found == batches[step][rank::processes]


def test_a_small_set_is_shuffled_as_one_in_a_single_file_is():
    one = numbered(0, 10)
    for seed in (0, 5):
        one.seed, shards = seed, InMemory(10, 3, window=4, seed=seed)
        assert [numbers(shards.batch(step, 4)) for step in range(6)] == [
            numbers(one.batch(step, 4)) for step in range(6)
        ]


def test_a_large_set_is_read_a_window_at_a_time_and_each_shard_once_an_epoch():
    data = InMemory(64, 4, window=3)
    epochs = []
    for step in range(2 * 16):
        data.batch(step, 4)
        assert sum(len(window) for window in data._held.values()) <= 2 * 3 * 4
        if step % 16 == 15:
            epochs.append(data.loaded)
            data.loaded = []
    assert all(sorted(epoch) == list(range(16)) for epoch in epochs) and epochs[0] != epochs[1]


def test_every_clip_is_as_likely_early_as_late_and_neighbours_of_a_shard_meet_as_often_as_documented():
    shuffle, epochs, batch = Shuffle([4] * 8, window=2, seed=1), 1500, 4
    places, together = torch.zeros(32, 32), 0
    for epoch in range(epochs):
        order = []
        for shards, rows in shuffle.rows(range(epoch * 32, (epoch + 1) * 32)):
            order += [4 * shards[row // 4] + row % 4 for row in rows]
        places[torch.tensor(order), torch.arange(32)] += 1
        together += order.index(0) // batch == order.index(1) // batch
    expected = epochs / 32
    assert float((places - expected).abs().max()) < 5 * expected**0.5
    full = (batch - 1) / 31  # how often two clips are in one batch if everything is shuffled
    assert together / epochs == pytest.approx(full * (8 / 2), rel=0.15)


def test_cuts_are_those_of_a_set_in_one_file(tmp_path):
    index = plan(6, 4, latent_shape=(9, 1, 1)).tokens
    tokens = TokenClips(torch.arange(54).view(6, 9, 1, 1), torch.arange(6) % 2, index)

    def make(first: int, count: int) -> TokenClips:
        cut = slice(first, first + count)
        return TokenClips(tokens.tokens[cut], tokens.labels[cut], index.replace(clips=count))

    write(tmp_path, 6, 4, make, latent_shape=(9, 1, 1))
    shards = ShardedClips.read(tmp_path)
    for one, many in (
        (tokens.every(4), shards.every(4)),
        (tokens.every(2).windows(3, 2), shards.every(2).windows(3, 2)),
        (tokens.windows(5, 4), shards.windows(5, 4)),
    ):
        assert many.index == one.index and len(many) == len(one)
        assert all(torch.equal(one.batch(step, 3)[0], many.batch(step, 3)[0]) for step in range(4))
    with pytest.raises(UserError, match="are not in clips of 9"):
        shards.every(4, 4)


def test_conditions_stay_with_their_clips(tmp_path):
    def make(first: int, count: int) -> TokenClips:
        clips = numbered(first, count)
        return clips.with_conditions(torch.arange(first, first + count)[:, None] * torch.tensor([1, 10]))

    write(tmp_path, 10, 3, make)
    one, shards = make(0, 10), ShardedClips.read(tmp_path, window=2)
    for step in range(5):
        batch, conditions = shards.batch(step, 4), shards.batch_conditions(step, 4)
        assert conditions is not None and conditions.dtype == torch.int64
        assert conditions[:, 1].tolist() == [10 * number for number in numbers(batch)]
    whole = ShardedClips.read(tmp_path)
    assert torch.equal(whole.batch_conditions(1, 4), one.batch_conditions(1, 4))
    assert torch.equal(whole.windows(4, 3).batch_conditions(1, 4), one.batch_conditions(1, 4))
    assert InMemory(10, 3, window=2).batch_conditions(0, 4) is None


def test_a_cut_that_the_conditions_forbid_is_refused_before_a_shard_is_read():
    led = plan(10, 3, lead=Lead(kind="text", codes=9, length=2)).nothing_done()
    shards = ShardedClips(open_folder("nowhere"), led)
    assert shards.windows(4, 3).index.lead == led.tokens.lead and len(shards.windows(4, 3).every(3)) == 10
    for cut in (lambda: shards.windows(3, 2), lambda: shards.every(2), lambda: shards.every(1, 3)):
        with pytest.raises(UserError, match=r"text of clips of 4 latent frames .* of exactly 3 \(.* --frames 6`\)"):
            cut()


# ----------------------------------------------------------------------------------------------------------- writing
def test_what_is_written_comes_back_and_is_not_written_twice(tmp_path):
    assert write(tmp_path).made == [0, 1, 2, 3]
    before = contents(tmp_path)
    assert sorted(before) == ["index.json", *(shard_name(number) for number in range(4))]
    data = open_tokens(tmp_path)
    assert data.index == plan(10, 3).tokens and len(data) == 10 and data.batch(0, 2)[0].dtype == torch.int64
    again = write(tmp_path, make=None)
    assert (again.made, again.damaged) == ([], {}) and contents(tmp_path) == before
    one = numbered(0, 10)
    one.write(tmp_path / "one")
    assert isinstance(open_tokens(tmp_path / "one"), TokenClips)


def test_large_codebooks_keep_their_last_code(tmp_path):
    for codes in (2**15, 2**15 + 1):
        last = TokenClips(torch.full((2, 4, 1, 1), codes - 1), torch.zeros(2, dtype=torch.int64), numbered(0, 2).index)
        last.index = last.index.replace(codes=codes)
        write(tmp_path / str(codes), 2, 2, lambda *_, last=last: last, codes=codes)
        assert int(ShardedClips.read(tmp_path / str(codes)).batch(0, 1)[0].max()) == codes - 1


def test_another_set_in_the_folder_is_refused_and_left_alone(tmp_path):
    write(tmp_path)
    before = contents(tmp_path)
    for changes, words in (
        ({"vqgan": "1" * 12}, "vqgan is 000000000000 there and 111111111111 here"),
        ({"clips": 11}, "clips is 10 there and 11 here"),
        ({"shard_clips": 5}, "clips in a shard is 3 there and 5 here"),
    ):
        with pytest.raises(UserError, match=words):
            write(tmp_path, **changes)
    assert contents(tmp_path) == before
    numbered(0, 10).write(tmp_path / "one")
    with pytest.raises(UserError, match="holds a token set in one file"):
        write(tmp_path / "one")
    with pytest.raises(UserError, match="tells of a token set in one file, without shards"):
        ShardedClips.read(tmp_path / "one")


def test_a_folder_that_cannot_be_made_is_one_sentence(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot be written"):
        write(tmp_path / "file")


def slowly(first: int, count: int) -> TokenClips:
    time.sleep(0.004)
    return numbered(first, count)


def whole_shards(folder: Path) -> dict[str, int]:
    """Names of the shards that are there, and which file on the disk each is."""
    return {path.name: path.stat().st_ino for path in folder.glob("tokens-*")}


def kill_again_and_again(folder: Path, kills: int = 8) -> None:
    """kill -9 at random moments of writing a set; what was whole before a kill must be the same file after it."""
    chance = random.Random(0)
    for _ in range(kills):
        before, more = whole_shards(folder), chance.randrange(3)
        child = os.fork()
        if child == 0:
            write(folder, 60, 2, slowly)
            os._exit(0)
        while len(whole_shards(folder)) < len(before) + more:
            time.sleep(0.001)
        time.sleep(chance.random() * 0.01)
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        assert before.items() <= whole_shards(folder).items(), "a finished shard was written again"


def processes(index: int, port: int, folder: Path) -> None:
    """What each of two processes does: alone first, then together with the other."""
    torch.set_num_threads(1)
    if index == 0:
        kill_again_and_again(folder / "killed")
    os.environ |= {"RANK": str(index), "LOCAL_RANK": str(index), "WORLD_SIZE": "2"}
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}

    def make(first: int, count: int) -> TokenClips:
        (folder / f"{index} made {first}").write_text("")
        return numbered(first, count)

    def fails_on_one(first: int, count: int) -> TokenClips:
        if index == 1:
            raise UserError("the disk is full")
        return numbered(first, count)

    with process_group():
        write(folder / "together", 60, 2, make)
        try:
            write(folder / "failing", 60, 2, fails_on_one)
        except UserError as error:
            (folder / f"{index} failed").write_text(f"{type(error).__name__}: {error}")


@pytest.fixture(scope="module")
def apart(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder in which two processes have worked."""
    folder = tmp_path_factory.mktemp("apart")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    torch.multiprocessing.spawn(processes, (port, folder), nprocs=2)
    write(folder / "alone", 60, 2)
    return folder


def test_a_set_killed_at_any_moment_goes_on_with_its_finished_shards_and_ends_the_same(apart):
    with pytest.raises(UserError, match=r"is not finished, tokens-000\d\d.safetensors for one is not done"):
        ShardedClips.read(apart / "killed")
    there = len(list((apart / "killed").glob("tokens-*")))
    assert 0 < len(write(apart / "killed", 60, 2).made) == 30 - there
    assert contents(apart / "killed") == contents(apart / "alone")


def test_two_processes_share_the_shards_and_write_what_one_does(apart):
    made = [sorted(int(path.name.split()[-1]) for path in apart.glob(f"{index} made *")) for index in (0, 1)]
    assert made == [list(range(0, 60, 4)), list(range(2, 60, 4))]
    assert contents(apart / "together") == contents(apart / "alone")


def test_an_error_of_one_process_ends_the_other_too(apart):
    assert (apart / "1 failed").read_text() == "UserError: the disk is full"
    assert (apart / "0 failed").read_text() == "Echo: another process failed"
    assert len(write(apart / "failing", 60, 2).made) == 15  # those of process 0 are kept
    assert contents(apart / "failing") == contents(apart / "alone")


# ---------------------------------------------------------------------------------------------------------- training
def test_a_training_from_shards_stopped_in_mid_epoch_has_the_losses_of_one_from_a_single_file(tmp_path):
    write(tmp_path / "tokens", 24, 5, codes=30)
    tokens = numbered(0, 24)
    one = TokenClips(tokens.tokens, tokens.labels, plan(24, 5, codes=30).tokens)
    training = TransformerTraining(steps=4, batch=8)
    config = gpt_config(one.index, layers=1, heads=1, width=8)
    task = TransformerTask(config, training, one, torch.device("cpu"))
    whole = [entry["loss/gpt"] for entry in train(task, training, tmp_path / "one")]
    for steps in (2, 4):  # the second goes on in the middle of an epoch, which is three steps
        again = training.replace(steps=steps, cosine_decay=False)
        task = TransformerTask(config, again, ShardedClips.read(tmp_path / "tokens"), torch.device("cpu"))
        log = train(task, again, tmp_path / "shards")
    flat = training.replace(cosine_decay=False)
    task = TransformerTask(config, flat, one, torch.device("cpu"))
    assert [entry["loss/gpt"] for entry in log] == [entry["loss/gpt"] for entry in train(task, flat, tmp_path / "two")]
    assert log[0]["loss/gpt"] == whole[0]


def test_a_batch_in_parts_has_the_same_clips():
    whole = Noise().clips(3, 32)[0]
    parts = [Later(Noise(), 3).clips(step, 8)[0] for step in range(4)]
    assert sorted(clip.sum().item() for part in parts for clip in part) == sorted(clip.sum().item() for clip in whole)


def test_clips_that_are_no_multiple_of_the_compression_are_refused():
    assert latent_frames_of(TINY, None) == TINY.latent_shape[0] and latent_frames_of(TINY, 12) == 6
    with pytest.raises(UserError, match=r"clips of 13 frames are no multiple of 2, .* take 12 or 14"):
        latent_frames_of(TINY, 13)
    with pytest.raises(UserError, match="take 2"):
        latent_frames_of(TINY, 1)
