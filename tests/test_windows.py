"""Long videos in windows: the same frames and tokens as all at once, whatever stands beyond the ends."""

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from tatslib.errors import UserError
from tatslib.randomness import torch_generator
from tatslib.vqgan.padding import field_of_view
from tatslib.vqgan.vqgan import VQGAN, VQGANConfig
from tatslib.vqgan.windows import decode_in_windows, decode_stream, encode_in_windows

PADDINGS: list[dict[str, Any]] = [
    {"padding": "replicate"},
    {"padding": "zeros"},
    {"padding": "reflect"},
    {"padding": "circular"},
    {"padding": "valid"},
    {"padding": "valid", "decoder_padding": "replicate"},
    {"padding": "zeros", "residual_padding": "replicate", "decoder_padding": "replicate"},  # as released
    {"padding": "circular", "residual_padding": "replicate", "decoder_padding": "replicate"},
    {"padding": "replicate", "valid_first": 2, "valid_last": 1},
    {"padding": "reflect", "valid_first": 1},
    {"padding": "circular", "valid_last": 1},
    {"padding": "zeros", "spatial_padding": "reflect"},
]


def small_vqgan(downsample: tuple[int, int, int] = (4, 4, 4), **changes: Any) -> VQGAN:
    """A VQGAN with random weights, and running statistics as if it had been trained."""
    small = {"frames": 32, "resolution": 16, "hidden": 4, "codes": 64, "code_width": 8, "decoder_blocks": 1}
    vqgan = VQGAN(VQGANConfig(**{**small, "downsample": downsample, **changes})).eval()
    generator = torch_generator(0, "statistics")
    for name, buffer in vqgan.named_buffers():
        if "running_mean" in name:
            buffer.normal_(0, 0.1, generator=generator)
        elif "running_var" in name:
            buffer.uniform_(0.5, 1.5, generator=generator)
    return vqgan


def random_tokens(vqgan: VQGAN, t: int) -> torch.Tensor:
    _, h, w = vqgan.config.latent_shape
    shape = (1, t + sum(vqgan.config.latent_margins), h, w)
    return torch.randint(vqgan.config.codes, shape, generator=torch_generator(t, "tokens"))


def random_clip(vqgan: VQGAN, t: int) -> torch.Tensor:
    length = t * vqgan.config.downsample[0] + sum(vqgan.config.margins)
    shape = (1, 3, length, vqgan.config.resolution, vqgan.config.resolution)
    return torch.rand(shape, generator=torch_generator(t, "clip")) - 0.5


CASES = {
    "changes": st.sampled_from(PADDINGS),
    "downsample": st.sampled_from([(4, 4, 4), (2, 4, 4), (1, 2, 2), (4, 8, 8)]),
    "t": st.integers(4, 13),
    "window": st.integers(1, 8),
}


@settings(max_examples=40, deadline=None)
@given(**CASES)
def test_decoding_in_windows_equals_decoding_at_once(changes, downsample, t, window):
    vqgan = small_vqgan(downsample, **changes)
    tokens = random_tokens(vqgan, t)
    with torch.no_grad():
        whole = vqgan.decode(tokens)
    parts = list(decode_in_windows(vqgan, tokens, window))
    assert all(part.shape[2] for part in parts)
    torch.testing.assert_close(torch.cat(parts, dim=2), whole, rtol=1e-4, atol=1e-5)


@settings(max_examples=40, deadline=None)
@given(**CASES)
def test_encoding_in_windows_equals_encoding_at_once(changes, downsample, t, window):
    vqgan = small_vqgan(downsample, **changes)
    clip = random_clip(vqgan, t)
    with torch.no_grad():
        whole = vqgan.encode(clip)
    joined = torch.cat(list(encode_in_windows(vqgan, clip, window)), dim=1)
    assert joined.shape == whole.shape
    assert (joined != whole).sum() <= 1  # a tie between two codes may fall otherwise in the last bit


@pytest.mark.parametrize("changes", [{"norm": "group", "hidden": 32}, {"padding": "circular", "valid_first": 1}])
def test_where_everything_depends_on_everything_there_is_one_window(changes):
    vqgan = small_vqgan(**changes)
    clip = random_clip(vqgan, 5)
    (tokens,) = encode_in_windows(vqgan, clip, 2)
    with torch.no_grad():
        assert torch.equal(tokens, vqgan.encode(clip))


def test_group_norm_decodes_all_at_once():
    vqgan = small_vqgan(norm="group", hidden=32)
    tokens = random_tokens(vqgan, 5)
    (frames,) = decode_in_windows(vqgan, tokens, 2)
    with torch.no_grad():
        assert torch.equal(frames, vqgan.decode(tokens))


def test_one_window_is_the_plain_call_to_the_last_bit():
    vqgan = small_vqgan()
    tokens = random_tokens(vqgan, 4)
    (frames,) = decode_in_windows(vqgan, tokens, 4)
    with torch.no_grad():
        assert torch.equal(frames, vqgan.decode(tokens))


def test_a_window_holds_a_thousand_tokens_unless_told_otherwise():
    vqgan = small_vqgan()  # 4x4 tokens a latent frame
    parts = [part.shape[2] for part in decode_in_windows(vqgan, random_tokens(vqgan, 130))]
    assert len(parts) == 3 and parts[1] == 64 * 4


class LargestTensor(TorchDispatchMode):
    """Remembers the most numbers that any operation returned."""

    def __init__(self):
        super().__init__()
        self.numbers = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        out = func(*args, **(kwargs or {}))
        sizes = [leaf.numel() for leaf in tree_leaves(out) if isinstance(leaf, torch.Tensor)]
        self.numbers = max([self.numbers, *sizes])
        return out


@pytest.mark.parametrize("changes", [{"padding": "replicate"}, {"padding": "valid"}])
def test_memory_does_not_grow_with_the_video(changes):
    vqgan = small_vqgan(**changes)
    largest = {}
    for t in (24, 72):
        tokens, clip = random_tokens(vqgan, t), random_clip(vqgan, t)
        for name, parts in (
            ("decode", decode_in_windows(vqgan, tokens, 4)),
            ("encode", encode_in_windows(vqgan, clip, 4)),
        ):
            with LargestTensor() as seen:
                for _ in parts:
                    pass
            largest[name, t] = seen.numbers
        with LargestTensor() as seen, torch.no_grad():
            vqgan.decode(tokens)
        largest["whole", t] = seen.numbers
    assert largest["decode", 24] == largest["decode", 72] < largest["whole", 24] / 2
    assert largest["encode", 24] == largest["encode", 72]
    assert largest["whole", 72] > 2 * largest["whole", 24]


def test_frames_come_as_soon_as_what_they_depend_on_is_known():
    vqgan = small_vqgan()
    parts = decode_in_windows(vqgan, random_tokens(vqgan, 14), 6)
    lengths = [part.shape[2] for part in parts]
    after = field_of_view(vqgan.config.decoder_units, axis=0)[1] * 4  # at most, in frames
    assert lengths == [lengths[0], 24, 56 - 24 - lengths[0]]
    assert 24 - after <= lengths[0] < 24


@pytest.mark.parametrize(
    ("t", "window", "training", "words"),
    [
        (4, 0, False, "a window of 0 latent frames makes no progress"),
        (0, 4, False, "too few"),
        (8, 4, True, r"call eval\(\)"),
    ],
)
def test_what_cannot_be_decoded_in_windows_is_refused(t, window, training, words):
    vqgan = small_vqgan(padding="valid").train(training)
    with pytest.raises(UserError, match=words):
        decode_in_windows(vqgan, random_tokens(vqgan, t), window)


def test_latent_frames_are_asked_for_a_window_at_a_time():
    vqgan = small_vqgan()
    asked = []

    def coming():
        for number, frame in enumerate(random_tokens(vqgan, 14).unbind(1), start=1):
            asked.append(number)
            yield frame

    parts = decode_stream(vqgan, coming(), 14, window=6)
    first = next(parts)
    assert len(asked) == 6
    joined = torch.cat([first, *parts], dim=2)
    assert torch.equal(joined, torch.cat(list(decode_in_windows(vqgan, random_tokens(vqgan, 14), 6)), dim=2))
    with pytest.raises(UserError, match="14 latent frames came, but 15 were announced"):
        list(decode_stream(vqgan, coming(), 15))
