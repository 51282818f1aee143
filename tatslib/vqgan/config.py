"""Every choice that shapes a VQGAN, and what follows from them: grid, units, margins, receptive field.

The defaults are the released model at the paper's size (Section B.2): 16 frames of 128x128 pixels become 4x16x16
tokens out of 16384 codes.
"""

from itertools import pairwise
from typing import Literal, Self

from pydantic import Field, model_validator

from tatslib.config import Config
from tatslib.errors import UserError
from tatslib.vqgan.padding import (
    Mode,
    Padding,
    SpatialMode,
    Triple,
    Unit,
    check_pad,
    field_of_view,
    margins,
    same_pad,
)

Norm = Literal["batch", "group", "none"]
GROUPS = 32


class VQGANConfig(Config):
    """A VQGAN's architecture, padding and codebook.

    Raises:
        ValueError: at construction, with a sentence that holds the numbers that do not fit together.
    """

    # The videos.
    frames: int = Field(16, ge=1)  # T of a training clip
    resolution: int = Field(128, ge=1)  # H = W
    channels: int = Field(3, ge=1)

    # The autoencoder. A level halves each axis that still has to shrink and doubles the width.
    downsample: Triple = (4, 8, 8)  # T / t, H / h, W / w in total
    hidden: int = Field(32, ge=1)  # width after the first convolution
    encoder_blocks: int = Field(1, ge=0)  # residual blocks a level
    decoder_blocks: int = Field(2, ge=0)
    norm: Norm = "batch"
    unshuffle: int = Field(1, ge=1)  # p folds p x p pixels into channels first: the same grid at lower cost (toy)
    residual_gain: float = Field(1.0, ge=0)  # scales each residual branch's last convolution when weights are drawn

    # The padding: one knob for every convolution, and the ways to depart from it.
    padding: Mode = "replicate"
    spatial_padding: SpatialMode | None = None  # None: as `padding`; beside valid, which exists in time only: replicate
    residual_padding: Mode | None = None  # of the encoder's residual blocks; None: as `padding`
    decoder_padding: Mode | None = None  # of the whole decoder; None: as `padding`
    valid_first: int = Field(0, ge=0)  # this many of the encoder's first units go without padding in time (Fig. 13)
    valid_last: int = Field(0, ge=0)  # and this many of its last

    # The codebook.
    codes: int = Field(16384, ge=1)  # K
    code_width: int = Field(256, ge=1)  # D
    codebook_decay: float = Field(0.99, ge=0, lt=1)
    commitment_weight: float = Field(0.25, ge=0)  # beta
    restart_below_count: float | None = None  # re-seed codes whose average count is below this; None: never
    restart_below_mean: float | None = None  # or below this share of the mean count of all codes
    restart_statistics: bool = True  # False: as released, the old statistics pull a re-seeded code back

    @property
    def strides(self) -> tuple[Triple, ...]:
        """One (T, H, W) stride a level; every axis that still has to shrink is halved first."""
        pixels = (1, self.unshuffle, self.unshuffle)
        halvings = [(d // p).bit_length() - 1 for d, p in zip(self.downsample, pixels, strict=True)]
        t, h, w = ([2] * n + [1] * (max(halvings) - n) for n in halvings)
        return tuple(zip(t, h, w, strict=True))

    @property
    def widths(self) -> tuple[int, ...]:
        """Channels after the first convolution and after each level of the encoder."""
        return tuple(self.hidden * 2**level for level in range(len(self.strides) + 1))

    @property
    def latent_shape(self) -> Triple:
        """The grid (t, h, w) of a clip's tokens."""
        t, h, w = self.downsample
        return self.frames // t, self.resolution // h, self.resolution // w

    @property
    def encoder_units(self) -> tuple[Unit, ...]:
        """The encoder from pixels to latents: first convolution, then per level a strided one and residual blocks."""
        edges = self._edges(self.padding)
        residual_edges = self._edges(self.residual_padding or self.padding)
        first = self.channels * self.unshuffle**2
        units = [Unit("convolution", first, self.hidden, 3, (1, 1, 1), edges)]
        for stride, (inputs, outputs) in zip(self.strides, pairwise(self.widths), strict=True):
            units.append(Unit("convolution", inputs, outputs, 4, stride, edges))
            units += [Unit("residual", outputs, outputs, 3, (1, 1, 1), residual_edges)] * self.encoder_blocks
        last = len(units) - self.valid_last
        return tuple(
            Unit(u.kind, u.inputs, u.outputs, u.kernel, u.stride, u.padding.without_time())
            if position < self.valid_first or position >= last
            else u
            for position, u in enumerate(units)
        )

    @property
    def decoder_units(self) -> tuple[Unit, ...]:
        """The decoder from latents to pixels; as released, the first level keeps the width and time grows first."""
        edges = self._edges(self.decoder_padding or self.padding)
        widths = self.widths[:0:-1]  # widest first, without the first convolution's
        units = []
        for stride, inputs, outputs in zip(self.strides, (widths[0], *widths), widths, strict=False):
            units.append(Unit("transposed", inputs, outputs, 4, stride, edges))
            units += [Unit("residual", outputs, outputs, 3, (1, 1, 1), edges)] * self.decoder_blocks
        last = self.channels * self.unshuffle**2
        return (*units, Unit("convolution", widths[-1], last, 3, (1, 1, 1), edges))

    def _edges(self, time: Mode) -> Padding:
        base: SpatialMode = "replicate" if time == "valid" else time
        return Padding(time, self.spatial_padding or base)

    @property
    def margins(self) -> tuple[int, int]:
        """Real frames (before, after) a clip that `encode` takes to return exactly its t latent frames."""
        return margins(self.encoder_units)

    @property
    def latent_margins(self) -> tuple[int, int]:
        """Latent frames (before, after) that `decode` takes to return exactly the frames of those between."""
        return margins(self.decoder_units)

    @property
    def forward_margins(self) -> tuple[int, int]:
        """Real frames (before, after) a clip that `forward` takes to reconstruct exactly the clip."""
        return margins(self.encoder_units, *self.latent_margins)

    @model_validator(mode="after")
    def _check_shapes(self) -> Self:
        for name, number in (("unshuffle", self.unshuffle), *zip(("T", "H", "W"), self.downsample, strict=True)):
            if number < 1 or number & (number - 1):
                raise UserError(f"downsample {self.downsample} and unshuffle must be powers of two: {name} is {number}")
        t, h, w = self.downsample
        if h % self.unshuffle or w % self.unshuffle:
            raise UserError(f"unshuffle {self.unshuffle} must divide the spatial downsample {h}, {w}")
        if (t, h, w) == (1, self.unshuffle, self.unshuffle):
            raise UserError(f"downsample {self.downsample} leaves no level beside unshuffle {self.unshuffle}: raise it")
        if self.frames % t:
            raise UserError(f"frames {self.frames} is not a multiple of the temporal downsample {t}")
        if self.resolution % h or self.resolution % w:
            raise UserError(f"resolution {self.resolution} is not a multiple of the spatial downsample {h}, {w}")
        if self.norm == "group" and self.hidden * 2 % GROUPS:
            raise UserError(
                f"group norm puts channels into {GROUPS} groups: hidden {self.hidden} must be a multiple of "
                f"{GROUPS // 2}, since each level doubles it"
            )
        return self

    @model_validator(mode="after")
    def _check_padding(self) -> Self:
        units = len(self.encoder_units)
        if self.valid_first + self.valid_last > units:
            raise UserError(
                f"valid_first {self.valid_first} and valid_last {self.valid_last} overlap: "
                f"the encoder has only {units} units"
            )
        t, h, w = self.latent_shape
        cells = self.resolution // self.unshuffle
        self._walk(self.encoder_units, [self.frames + sum(self.margins), cells, cells])
        self._walk(self.decoder_units, [t + sum(self.latent_margins), h, w])
        return self

    def _walk(self, units: tuple[Unit, ...], sizes: list[int]) -> None:
        """Follow the size of the map through the units and refuse a padding that some map is too small for."""
        for unit in units:
            pads = [same_pad(unit.kernel, s) for s in unit.stride]
            if unit.padding.time == "valid":
                pads[0] = (0, 0)
                sizes = [sizes[0] - sum(unit.consumed()), *sizes[1:]]
            modes = (unit.padding.time, unit.padding.space, unit.padding.space)
            for size, (front, back), mode, axis in zip(sizes, pads, modes, ("T", "H", "W"), strict=True):
                check_pad(size, front, back, mode, axis)
            grow = unit.kind == "transposed"
            sizes = [n * s if grow else n // s for n, s in zip(sizes, unit.stride, strict=True)]


def receptive_field(config: VQGANConfig) -> Triple:
    """Frames, rows and columns of the video that one token sees if nothing is cut off: (64, 80, 80) as released.

    Clips have 16 frames, so every token of the released model sees beyond both ends: every token sees padding.
    """
    pixels = (1, config.unshuffle, config.unshuffle)
    sizes = []
    for axis, (factor, p) in enumerate(zip(config.downsample, pixels, strict=True)):
        before, after = field_of_view(config.encoder_units, axis)
        sizes.append(factor + p * (before + after))
    return sizes[0], sizes[1], sizes[2]
