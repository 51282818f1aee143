"""I3D and C3D: their shapes, what they are given, where their weights come from and what is refused."""

import hashlib
import os
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from tatslib.errors import UserError
from tatslib.metrics import c3d, features, i3d
from tatslib.metrics.c3d import C3D, load_c3d
from tatslib.metrics.features import class_probabilities, clip_features, features_of_all, window_probabilities
from tatslib.metrics.i3d import I3D, Pool, Unit, load_i3d, same_padding
from tatslib.randomness import numpy_generator, torch_generator


def clips(count: int = 2, frames: int = 16, size: int = 8) -> np.ndarray:
    return numpy_generator(0, "test/clips").integers(0, 256, (count, frames, size, size, 3)).astype(np.uint8)


@pytest.fixture
def mirror(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "mirror").mkdir()
    monkeypatch.setenv("TATS_MIRROR", str(tmp_path / "mirror"))
    monkeypatch.setenv("TATS_HOME", str(tmp_path / "home"))
    return tmp_path / "mirror"


@pytest.mark.parametrize("total", [6, 7])
def test_features_of_all_processes_come_in_the_order_of_the_clips(total: int, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = torch.arange(2.0 * total).view(total, 2)
    assert torch.equal(features_of_all(whole, total), whole)
    padded = [F.pad(whole[rank::2], (0, 0, 0, -(-total // 2) - len(whole[rank::2]))) for rank in range(2)]

    def gather(mine: Tensor) -> Tensor:
        assert any(torch.equal(mine, rows) for rows in padded)
        return torch.stack(padded, dim=1).flatten(0, 1)

    monkeypatch.setattr(features, "world_size", lambda: 2)
    monkeypatch.setattr(features, "gather_rows", gather)
    assert all(torch.equal(features_of_all(whole[rank::2], total), whole) for rank in range(2))


# ----------------------------------------------------------------------------------------------------------------- I3D
def test_i3d_has_the_shapes_of_the_table_and_400_logits() -> None:
    network, x = I3D(), torch.zeros(1, 3, 9, 32, 32)
    shapes = {}
    for name, _ in i3d.LAYERS:
        x = network.get_submodule(name)(x)
        shapes[name] = tuple(x.shape[1:])
    assert shapes["Conv3d_1a_7x7"] == (64, 5, 16, 16) and shapes["Mixed_3c"] == (480, 5, 4, 4)
    assert shapes["Mixed_4f"] == (832, 3, 2, 2) and shapes["Mixed_5c"] == (1024, 2, 1, 1)
    assert network.logits["conv3d"].weight.shape == (400, 1024, 1, 1, 1)
    assert sum(p.numel() for p in network.parameters()) == 12_697_264
    assert not network.training and not any(p.requires_grad for p in network.parameters())
    with pytest.raises(UserError, match="9 frames or more, got 8"):
        network(torch.zeros(1, 3, 8, 224, 224))


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """A network of the first and the last layer, a few channels wide, so that its file is small."""
    monkeypatch.setattr(i3d, "LAYERS", (("Conv3d_1a_7x7", (2, 7, 2)), ("Mixed_5c", (2, 2, 2, 2, 2, 2))))


@pytest.mark.parametrize(("kernel", "stride"), [(3, 1), (3, 2), (2, 2), (7, 2), (1, 1)])
@pytest.mark.parametrize("length", [5, 6, 7, 8])
def test_same_padding_makes_one_output_a_stride_with_the_odd_zero_at_the_end(
    kernel: int, stride: int, length: int
) -> None:
    x = torch.ones(1, 1, length, length, length)
    padded = same_padding(x, (kernel,) * 3, (stride,) * 3)[0, 0, :, padded_middle(kernel), padded_middle(kernel)]
    assert (len(padded) - kernel) // stride + 1 == -(-length // stride)
    before = int(padded.argmax())
    assert before == (len(padded) - length) // 2 and padded.sum() == length


def padded_middle(kernel: int) -> int:
    return kernel // 2 + 1


def test_units_and_pools_of_i3d_are_what_torch_computes_with_symmetric_padding_where_that_is_the_same() -> None:
    generator = torch_generator(0, "test/unit")
    x = torch.rand(2, 3, 5, 7, 9, generator=generator)
    unit = Unit(3, 4, 3).eval()
    bare = F.relu(unit.bn(F.conv3d(x, unit.conv3d.weight, padding=1)))
    torch.testing.assert_close(unit(x), bare)
    torch.testing.assert_close(Pool((3, 3, 3), (1, 1, 1))(x), F.max_pool3d(x, 3, 1, 1))


def test_i3d_is_loaded_from_a_mirror_its_checksum_recorded_and_a_changed_file_refused(
    small: None, mirror: Path, tmp_path: Path
) -> None:
    saved = I3D()
    for name, value in saved.named_buffers():
        if name.endswith("running_mean"):
            value.normal_(generator=torch_generator(0, name))
    torch.save(saved.state_dict(), mirror / i3d.FILE)
    digest = hashlib.sha256((mirror / i3d.FILE).read_bytes()).hexdigest()
    network = load_i3d()
    assert all(torch.equal(value, saved.state_dict()[name]) for name, value in network.state_dict().items())
    kept = tmp_path / "home" / "weights" / i3d.FILE
    assert kept.with_name(kept.name + ".sha256").read_text() == f"{digest}  {i3d.FILE}\n"
    torch.save(I3D().state_dict(), kept)
    with pytest.raises(UserError, match="instead of"):
        load_i3d()


def test_files_that_are_no_i3d_are_refused_and_none_is_executed(small: None, tmp_path: Path) -> None:
    class Evil:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return os.system, (f"touch {tmp_path}/executed",)

    path = tmp_path / "file.pt"
    torch.save({"Conv3d_1a_7x7.conv3d.weight": Evil()}, path)
    with pytest.raises(UserError, match="cannot be read as a table of tensors"):
        load_i3d(path)
    assert not (tmp_path / "executed").exists()
    torch.save({"weight": torch.zeros(3)}, path)
    with pytest.raises(UserError, match="is not the I3D network"):
        load_i3d(path)
    torch.save([1, 2], path)
    with pytest.raises(UserError, match="no table of tensors"):
        load_i3d(path)
    path.write_bytes(b"nothing of the kind")
    with pytest.raises(UserError, match="cannot be read"):
        load_i3d(path)


# ----------------------------------------------------------------------------------------------------------------- C3D
def archives(folder: Path, width: int = 2, hidden: int = 6, classes: int = 5) -> tuple[Path, Path]:
    """Both files in their official layout, at a small size."""
    network = C3D(width, hidden, classes)
    generator = torch_generator(0, "test/c3d")
    arrays = {}
    for name, value in network.state_dict().items():
        if name != "mean":
            scale = (2 / max(1, value[0].numel())) ** 0.5
            layer, kind = name.split(".")
            arrays[f"{layer}/{'W' if kind == 'weight' else 'b'}"] = (
                torch.randn(value.shape, generator=generator) * scale
            ).numpy()
    mean = numpy_generator(0, "test/mean").uniform(80, 110, c3d.MEAN_SHAPE).astype(np.float32)
    np.savez(folder / c3d.WEIGHTS, **arrays)
    np.savez(folder / c3d.MEAN, mean=mean)
    return folder / c3d.WEIGHTS, folder / c3d.MEAN


def test_c3d_has_its_published_shapes() -> None:
    with torch.device("meta"):
        network = C3D()
    assert network.fc6.weight.shape == (4096, 512 * 4 * 4) and network.conv5b.weight.shape == (512, 512, 3, 3, 3)
    assert network.head.weight.shape == (101, 4096) and not network.training
    small = C3D(2, 7, 3)
    assert small.features(torch.zeros(2, 3, 16, 9, 11)).shape == (2, 7)
    with pytest.raises(UserError, match="16 frames, got 8"):
        small.features(torch.zeros(2, 3, 8, 64, 80))


def test_c3d_sees_blue_first_from_0_to_256_less_the_mean_clip() -> None:
    network = C3D(2, 4, 3)
    network.mean.copy_(torch.arange(171.0).expand(c3d.MEAN_SHAPE))  # says which column was subtracted
    x = torch.tensor([-0.5, 0.0, 0.5]).view(1, 3, 1, 1, 1).expand(1, 3, 16, 20, 20)
    seen = network.prepared(x)
    assert seen.shape == (1, 3, 16, 112, 112)
    assert (seen[0, :, 0, 0, 0] + 8).tolist() == [256, 128, 0]
    network.preparation = "tgan"
    assert (network.prepared(x)[0, :, 0, 0, 0] + 29).tolist() == pytest.approx([256, 128, 0], abs=1e-3)


def test_c3d_shrinks_frames_corner_to_corner() -> None:
    network = C3D(2, 4, 3)
    x = torch.linspace(-0.5, 0.5, 224).expand(1, 3, 16, 30, 224)
    row = network.prepared(x)[0, 0, 0, 0]
    torch.testing.assert_close(row, torch.linspace(0, 256, 112), atol=1e-2, rtol=0)


def test_c3d_is_loaded_from_its_archives_with_the_size_they_have(mirror: Path, tmp_path: Path) -> None:
    weights, mean = archives(mirror)
    network = load_c3d()
    stored, average = np.load(weights), np.load(mean)["mean"]
    assert torch.equal(network.conv3b.weight, torch.from_numpy(stored["conv3b/W"]))
    assert torch.equal(network.mean, torch.from_numpy(average)) and network.head.out_features == 5
    assert (tmp_path / "home" / "weights" / f"{c3d.WEIGHTS}.sha256").is_file()

    chances = class_probabilities(network, clips())
    assert chances.shape == (2, 5) and torch.allclose(chances.sum(1), torch.ones(2).double())
    assert torch.equal(
        by_hand(stored, network.prepared(torch.from_numpy(clips()).permute(0, 4, 1, 2, 3) / 255 - 0.5)),
        network.head(clip_features(network, clips())),
    )
    long = np.concatenate([clips(), clips()[::-1]], axis=1)
    seen = window_probabilities(network, long, 16)
    torch.testing.assert_close(seen, torch.stack([chances, chances.flip(0)], dim=1))


def by_hand(arrays: np.lib.npyio.NpzFile, x: Tensor) -> Tensor:
    """The network, written out."""

    def convolve(x: Tensor, name: str) -> Tensor:
        kernel, bias = (torch.from_numpy(arrays[f"{name}/{kind}"]) for kind in "Wb")
        return F.relu(F.conv3d(x, kernel, bias, padding=1))

    x = F.max_pool3d(convolve(x, "conv1a"), (1, 2, 2))
    x = F.max_pool3d(convolve(x, "conv2a"), 2)
    x = F.max_pool3d(convolve(convolve(x, "conv3a"), "conv3b"), 2)
    x = F.max_pool3d(convolve(convolve(x, "conv4a"), "conv4b"), 2)
    x = F.max_pool3d(F.pad(convolve(convolve(x, "conv5a"), "conv5b"), (0, 1, 0, 1)), 2)
    for name in ("fc6", "fc7", "fc8"):
        x = F.linear(x.flatten(1), *(torch.from_numpy(arrays[f"{name}/{kind}"]) for kind in "Wb"))
        x = x if name == "fc8" else F.relu(x)
    return x


def test_archives_that_are_no_c3d_are_refused(tmp_path: Path) -> None:
    weights, mean = archives(tmp_path)
    with pytest.raises(UserError, match="no array 'conv1a/W'"):
        load_c3d(mean, mean)
    with pytest.raises(UserError, match="no array 'mean'"):
        load_c3d(weights, weights)
    wrong = dict(np.load(weights))
    wrong["conv4a/W"] = wrong["conv4a/W"][:, :3]
    np.savez(tmp_path / "wrong.npz", **wrong)
    with pytest.raises(UserError, match=r"conv4a.weight is \(16, 3, 3, 3, 3\), not \(16, 8, 3, 3, 3\)"):
        load_c3d(tmp_path / "wrong.npz", mean)
    np.savez(tmp_path / "short.npz", mean=np.zeros((3, 16, 112, 112)))
    with pytest.raises(UserError, match="mean clip of shape"):
        load_c3d(weights, tmp_path / "short.npz")
    np.savez(tmp_path / "pickled.npz", mean=np.array([{}], dtype=object))
    with pytest.raises(UserError, match="cannot be read as an archive"):
        load_c3d(weights, tmp_path / "pickled.npz")
    (tmp_path / "text.npz").write_text("nothing of the kind")
    with pytest.raises(UserError, match="cannot be read as an archive"):
        load_c3d(tmp_path / "text.npz", mean)
