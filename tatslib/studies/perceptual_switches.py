"""What two switches of LPIPS do to its term and its gradient, in a VGG16 of random weights.

The released code gives LPIPS half the contrast that it was fitted to, and leaves dropout on in its heads. To measure
what that is worth in a training takes VGG16's trained weights, which this book cannot ship. A random network is a
baseline of the LPIPS paper (Zhang et al., 2018), and shows what follows from the formula alone.

Letters: B frames, C channels, H W their size.
"""

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from tatslib import recipes
from tatslib.randomness import torch_generator
from tatslib.recipes.kinds import clips_for
from tatslib.studies.results import Numbers, Study
from tatslib.training.device import default_device
from tatslib.videos import to_model
from tatslib.vqgan.discriminators import pick_frames
from tatslib.vqgan.perceptual import PerceptualLoss, Range

FRAMES = 64  # held-out ones, each of another clip
AT_ONCE = 16  # clips in the tokenizer
DRAWS = 20  # of what is dropped
BIASES = (0.0, 0.3, 1.0)  # their standard deviation; 0 is He's initialisation


def random_network(
    seed: int, biases: float = 0.0, input_range: Range = "right", dropout: bool = False
) -> PerceptualLoss:
    """LPIPS before any training: VGG16 of He's normal weights, and heads of uniform weights in [0, 1).

    Args:
        seed: of the weights; the same ones, and the same biases but for their size, whatever the other arguments.
        biases: standard deviation of VGG16's biases, which are normal.
        input_range: as `PerceptualLoss`.
        dropout: as `PerceptualLoss`.

    Returns:
        The network, in training mode, on the processor. Heads come out of LPIPS' own training without negative weights
        too; equal sizes let all five stages count.
    """
    network = PerceptualLoss(input_range, dropout)
    weights, sizes, heads = (torch_generator(seed, f"random LPIPS/{part}") for part in ("weights", "biases", "heads"))
    for module in network.stages.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, nonlinearity="relu", generator=weights)
            module.bias.copy_(biases * torch.randn(module.bias.shape, generator=sizes))  # type: ignore[union-attr]
    for head in network.heads.parameters():
        head.copy_(torch.rand(head.shape, generator=heads))
    return network


def distances_and_gradient(
    network: PerceptualLoss, reconstruction: Tensor, original: Tensor, generator: torch.Generator | None = None
) -> tuple[Tensor, Tensor]:
    """Float32 (B,), the distances, and float32 (B, C, H, W), the gradient of their mean in the reconstruction.

    Args:
        network: LPIPS.
        reconstruction: float (B, C, H, W) in about [-0.5, 0.5].
        original: the same.
        generator: of what is dropped, where that is on.
    """
    judged = reconstruction.detach().requires_grad_()
    distances = network(judged, original, generator)
    (gradient,) = torch.autograd.grad(distances.mean(), judged)
    return distances.detach(), gradient


def cosine(one: Tensor, other: Tensor) -> float:
    """Of two gradients of any equal shape, each taken as one vector."""
    return float(nn.functional.cosine_similarity(one.flatten().double(), other.flatten().double(), dim=0))


def change(other: PerceptualLoss, ours: PerceptualLoss, reconstruction: Tensor, original: Tensor) -> Numbers:
    """What another network of the same weights makes of the term and of its gradient; frames as for LPIPS.

    Returns:
        "term": mean distance by `other` over that by `ours`; "gradient": the same of the gradients' norms; "cosine":
        between the two gradients.
    """
    theirs, their_gradient = distances_and_gradient(other, reconstruction, original)
    own, own_gradient = distances_and_gradient(ours, reconstruction, original)
    return {
        "term": float(theirs.mean() / own.mean()),
        "gradient": float(their_gradient.norm() / own_gradient.norm()),
        "cosine": cosine(their_gradient, own_gradient),
    }


def noise(network: PerceptualLoss, reconstruction: Tensor, original: Tensor, seed: int) -> Numbers:
    """How much `DRAWS` draws of what is dropped differ; frames as for LPIPS.

    Returns:
        "term": standard deviation of the mean distance over draws, relative to that without dropout; "frame": the same
        of a single frame's distance, the mean over frames; "cosine": of the gradient of a draw and that without
        dropout, the mean over draws.
    """
    calm, calm_gradient = distances_and_gradient(network.eval(), reconstruction, original)
    network.train()
    drawn, cosines = [], []
    for draw in range(DRAWS):
        generator = torch_generator(seed, "random LPIPS/dropped", draw)
        distances, gradient = distances_and_gradient(network, reconstruction, original, generator)
        drawn.append(distances.double())
        cosines.append(cosine(gradient, calm_gradient))
    found = torch.stack(drawn)  # (DRAWS, B)
    return {
        "term": float(found.mean(1).std() / calm.mean()),
        "frame": float((found.std(0) / calm).mean()),
        "cosine": sum(cosines) / DRAWS,
    }


@torch.no_grad()
def pairs() -> tuple[Tensor, Tensor]:
    """Frames of held-out clips as the trained tokenizer shows them, and as they are; the same for every seed.

    Returns:
        Two float32 (B, 3, H, W), the reconstruction as it comes and the original in [-0.5, 0.5], a random frame of each
        clip, as in training.
    """
    vqgan = recipes.get("actions/vqgan-replicate").model.to(default_device()).eval()
    clips, _ = clips_for(vqgan.config, recipes.get("actions/videos"), "test").clips(0, FRAMES)
    places = torch.randint(clips.shape[1], (FRAMES,), generator=torch_generator(0, "random LPIPS/frames"))
    video = to_model(clips).to(default_device())  # (B, 3, T, H, W)
    shown = torch.cat([vqgan(part).reconstruction for part in video.split(AT_ONCE)])
    return pick_frames(shown, places), pick_frames(video, places)


def run(seed: int) -> Numbers:
    """The released range against ours, for every size of biases; dropout against none, with ours."""
    device, (reconstruction, original) = default_device(), pairs()
    ranges: Numbers = {}
    for size in BIASES:
        released, right = (random_network(seed, size, kind).to(device) for kind in ("released", "right"))
        ranges[f"biases-{size:g}"] = change(released, right, reconstruction, original)
    dropping = random_network(seed, dropout=True).to(device)
    return {"range": ranges, "dropout": noise(dropping, reconstruction, original, seed)}


def studies() -> Iterator[Study]:
    """What `make results` runs from here, with the protocol."""
    sizes = ", ".join(f"{size:g}" for size in BIASES)
    yield Study(
        "perceptual-switches",
        f"""LPIPS of random weights: not the effect with VGG16's trained weights, which is not measured. VGG16 has He's
        normal weights, its heads uniform ones in [0, 1). {FRAMES} held-out clips of the actions world through one
        trained tokenizer (actions/vqgan-replicate, seed 0), a random frame of each at its own size, no resizing; the
        term is the mean distance over them, its gradient that in the reconstruction, as one vector. range: the
        released range of colours (half the contrast) against ours: term, ratio of the terms; gradient, ratio of the
        gradients' norms; cosine, between the gradients. With biases of zero, as He has them, a ReLU network answers
        twice the input with twice the features, which LPIPS scales to length 1: contrast cancels, but for LPIPS' shift
        of colours. Biases undo that; where nothing but biases counts, both ratios are 1/4. Trained networks have
        biases, so the range is measured for normal ones too: biases-N has standard deviation N ({sizes}), at colours
        which LPIPS scales to about 1. dropout: {DRAWS} draws of what the heads drop, at our range, biases of zero:
        term, standard deviation of the term over draws, relative to the term without dropout; frame, the same of the
        distance of one frame, mean over frames; cosine, between the gradient of one draw and that without dropout,
        mean over draws. The seed is that of all weights and of what is dropped; frames and tokenizer are the same.""",
        run,
        seeds_of="initialisations",
    )
