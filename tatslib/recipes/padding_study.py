"""The encoders of the padding study (paper A.3, Fig. 13): which edges stand where, everything else equal.

Only what the encoder finds beyond the first and the last frame differs. Edges in space and the whole decoder are
`replicate` in every variant, so that no difference can come from there.

real                      no padding in time; the clip comes with the real frames around it
zeros ... replicate       the four paddings in every convolution of the encoder
first-k, last-k           "Padding-Less": zeros, but the first or last k of the encoder's units read real frames
released-zeros, ...       what the released `--padding_type` does: residual blocks always replicate
"""

from typing import Any

from tatslib.vqgan.vqgan import VQGANConfig

PADDINGS = ("zeros", "reflect", "circular", "replicate")
RELEASED = ("zeros", "reflect", "circular")  # beside replicate, where the released option changes nothing


def variants(config: VQGANConfig) -> dict[str, VQGANConfig]:
    """The study's configs by name, made from a scale's own."""
    shared = config.replace(padding="replicate", spatial_padding="replicate", decoder_padding="replicate")
    changes: dict[str, dict[str, Any]] = {padding: {"padding": padding} for padding in PADDINGS}
    changes["real"] = {"padding": "valid"}
    changes |= {f"released-{p}": {"padding": p, "residual_padding": "replicate"} for p in RELEASED}
    for units in range(1, len(config.encoder_units)):
        changes[f"first-{units}"] = {"padding": "zeros", "valid_first": units}
        changes[f"last-{units}"] = {"padding": "zeros", "valid_last": units}
    return {name: shared.replace(**change) for name, change in changes.items()}
