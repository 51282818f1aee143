"""The paper's claims about the first stage, and the comparisons that would show them: computed, not judged, here."""

from claims_tests import Claim, Test, less, more

PADDING = (
    Claim(
        "zero-padding",
        "Zero padding writes into a token where in the clip it stands.",
        "2.2, A.2, Eq. 1",
        (
            more(
                "tokens of different positions, zeros minus chance",
                "token-positions:zeros/mean",
                "token-positions:zeros/chance",
                "nats",
                3,
            ),
            more(
                "the same, zeros minus replicate",
                "token-positions:zeros/mean",
                "token-positions:replicate/mean",
                "nats",
                3,
            ),
            less(
                "equivariance score, zeros minus real frames",
                "equivariance-trained:zeros/score",
                "equivariance-trained:real/score",
            ),
        ),
        "03 What the tokens know",
        'results.load("token-positions")',
    ),
    Claim(
        "slid-prefix",
        "With tokens from zero padding, a slid window hands the transformer a prefix such as it never saw in training.",
        "2.2, A.2",
        (
            more("loss that the wrong places cost, zeros", "slid-prefix:zeros/place", None, "nats a token", 3),
            more(
                "the same, zeros minus replicate",
                "slid-prefix:zeros/place",
                "slid-prefix:replicate/place",
                "nats a token",
                3,
            ),
            more(
                "all that a slid prefix costs, zeros minus replicate",
                "slid-prefix:zeros/gap",
                "slid-prefix:replicate/gap",
                "nats a token",
                3,
            ),
        ),
        "03 What the transformer makes of it",
        'results.load("slid-prefix")',
        "A slid prefix also lacks the look ahead of a clip's own tokens; what the wrong places cost is without that.",
    ),
    Claim(
        "image-border",
        "Image models hide the problem because they draw in the centre of their window; at its border they fall apart.",
        "A.2, Fig. 12",
        (
            more(
                "tokens against real ones, zeros, border minus centre",
                "image-border:zeros/border/tokens",
                "image-border:zeros/centre/tokens",
                "nats",
            ),
            more(
                "the same at the border, zeros minus replicate",
                "image-border:zeros/border/tokens",
                "image-border:replicate/border/tokens",
                "nats",
            ),
        ),
        "03 Why pictures hid it for so long",
        'results.load("image-border")',
    ),
    Claim(
        "replicate-suffices",
        "Replicate padding alone resolves the dependence on time well: it scores 0.75.",
        "2.2, A.3, Fig. 13",
        (
            more(
                "equivariance score, replicate minus zeros",
                "equivariance-trained:replicate/score",
                "equivariance-trained:zeros/score",
            ),
            more("equivariance score, replicate", "equivariance-trained:replicate/score", None, than=0.75),
        ),
        "04 Four paddings and real frames",
        'results.load("equivariance-trained")',
        "Beside it, whether any dependence is left.",
        (
            more(
                "tokens of different positions, replicate minus chance",
                "token-positions:replicate/mean",
                "token-positions:replicate/chance",
                "nats",
                4,
            ),
        ),
    ),
    Claim(
        "replicate-is-free",
        "Replicate padding costs no more than zero padding.",
        "2.2, A.3",
        (
            Test(
                "operations of a training step, replicate minus zeros",
                "padding-costs:replicate/gflop",
                "within",
                "padding-costs:zeros/gflop",
                margin=0.01,
                unit="GFLOP",
            ),
            Test(
                "time of a training step, replicate minus zeros",
                "padding-costs:replicate/milliseconds",
                "within",
                "padding-costs:zeros/milliseconds",
                margin=11.0,
                unit="ms",
                digits=0,
            ),
        ),
        "04 What it costs",
        'results.load("padding-costs")',
        "The margin in time is a twentieth of a step, set when the results were known.",
    ),
    Claim(
        "order-of-paddings",
        "Reflect and circular padding score less than replicate, and more than zeros.",
        "A.3, Fig. 13",
        tuple(
            more(
                f"equivariance score, {a} minus {b}",
                f"equivariance-trained:{a}/score",
                f"equivariance-trained:{b}/score",
            )
            for a, b in (
                ("replicate", "reflect"),
                ("replicate", "circular"),
                ("reflect", "zeros"),
                ("circular", "zeros"),
            )
        ),
        "04 Four paddings and real frames",
        'results.load("equivariance-trained")',
        "This is about trained encoders. Beside it, what untrained ones say.",
        (
            more(
                "untrained, replicate minus circular",
                "equivariance-untrained:replicate/score",
                "equivariance-untrained:circular/score",
            ),
        ),
    ),
    Claim(
        "real-frames-are-exact",
        "Without padding and with enough real frames around a clip the score is 1, at a higher cost.",
        "2.2, A.3, Fig. 13",
        (
            Test("equivariance score, real frames", "equivariance-trained:real/score", "equal", than=1.0),
            more(
                "memory of a training step, real frames minus zeros",
                "padding-costs:real/megabytes",
                "padding-costs:zeros/megabytes",
                "MB",
                1,
            ),
            more(
                "operations, real frames minus zeros",
                "padding-costs:real/gflop",
                "padding-costs:zeros/gflop",
                "GFLOP",
                1,
            ),
        ),
        "04 What it costs",
        'results.load("padding-costs")',
    ),
    Claim(
        "layer-by-layer",
        "The more of the zero padding is removed, the more time-agnostic the encoder becomes.",
        "A.3, Fig. 13 (Padding-Less)",
        tuple(
            more(
                f"score, unpadded: {words}",
                f"equivariance-trained:{a}/score",
                f"equivariance-trained:{b}/score",
                digits=4,
            )
            for a, b, words in (
                ("last-1", "zeros", "last unit minus none"),
                ("last-2", "last-1", "last two minus last"),
                ("last-3", "last-2", "last three minus two"),
                ("last-4", "last-3", "last four minus three"),
                ("first-1", "zeros", "first unit minus none"),
                ("first-4", "first-3", "first four minus three"),
            )
        ),
        "04 Without padding, layer by layer",
        'for side in ("first", "last")}',
    ),
)

FIRST_STAGE = (
    Claim(
        "group-norm-blobs",
        "Group norm makes blobs that grow along the decoder; synchronised batch norm does not.",
        "A.1, Fig. 11",
        (
            more(
                "longest over median vector, group norm, last map minus first",
                "stability:group-norm/maps/-1",
                "stability:group-norm/maps/0",
                "",
                1,
            ),
            more(
                "the same in the last map, group norm minus batch norm",
                "stability:group-norm/maps/-1",
                "stability:ours/maps/-1",
                "",
                1,
            ),
            more(
                "worst patch over the average, group norm minus batch norm",
                "stability:group-norm/picture",
                "stability:ours/picture",
                "",
                1,
            ),
            more(
                "longest over median vector, group norm with two clips a step, last map minus first",
                "stability-others:group-norm-small-batch/maps/-1",
                "stability-others:group-norm-small-batch/maps/0",
                "",
                1,
            ),
            more(
                "worst patch over the average, two clips a step, group norm minus batch norm",
                "stability-others:group-norm-small-batch/picture",
                "stability-controls:small-batch/picture",
                "",
                1,
            ),
        ),
        "05 Blobs",
        "worst patch of the picture over the average",
        "Small pictures leave little room for a blob. And the ruler of pictures reads less where a training falls "
        "apart than in ours, so what it alone sees is weak evidence.",
    ),
    Claim(
        "axial-attention",
        "An autoencoder with axial attention lets the discriminators win, and its reconstructions fall apart.",
        "A.1, Fig. 10",
        (
            less(
                "change of PSNR with adversaries, axial minus ours",
                "stability:axial/psnr_change",
                "stability:ours/psnr_change",
                "dB",
            ),
            less("loss of the video discriminator, axial minus ours", "stability:axial/video", "stability:ours/video"),
            less("loss of the image discriminator, axial minus ours", "stability:axial/image", "stability:ours/image"),
            more("steps in which the video discriminator had won, axial", "stability:axial/video_saturated"),
        ),
        "05 How to break it",
        "difference in the change of PSNR",
    ),
    Claim(
        "feature-matching",
        "Feature matching keeps the adversarial training stable.",
        "2.1, A.1",
        (
            less(
                "change of PSNR, ours without matching minus ours",
                "stability:no-matching/psnr_change",
                "stability:ours/psnr_change",
                "dB",
            ),
            less(
                "the same with axial attention",
                "stability:axial-no-matching/psnr_change",
                "stability:axial/psnr_change",
                "dB",
            ),
        ),
        "05 How to break it",
        "difference in the change of PSNR",
    ),
    Claim(
        "clipping",
        "Gradients have to be clipped, or they explode.",
        "A.1",
        (
            less(
                "change of PSNR, without clipping minus with",
                "stability:no-clipping/psnr_change",
                "stability:ours/psnr_change",
                "dB",
            ),
            less(
                "share of the steps made before a loss was not finite, without clipping",
                "stability:no-clipping/finished",
                None,
                than=1.0,
            ),
            less(
                "change of PSNR at three times the rate, without clipping minus with",
                "stability-controls:no-clipping-x3/psnr_change",
                "stability:rate-x3/psnr_change",
                "dB",
            ),
            less(
                "change of PSNR, axial attention, without clipping minus with",
                "stability-others:axial-no-clipping/psnr_change",
                "stability:axial/psnr_change",
                "dB",
            ),
        ),
        "05 How to break it",
        "difference in the change of PSNR",
    ),
    Claim(
        "codebook-restarts",
        "The codebook does without restarts of unused codes.",
        "B.2",
        (
            Test(
                "PSNR, without restarts minus with",
                "codebook-restarts:none/psnr",
                "within",
                "codebook-restarts:statistics/psnr",
                margin=0.5,
                unit="dB",
            ),
            Test(
                "share of codes used, the same",
                "codebook-restarts:none/used_codes",
                "within",
                "codebook-restarts:statistics/used_codes",
                margin=0.05,
            ),
        ),
        "05 What the released code does otherwise",
        'results.load("codebook-restarts")',
        "The margins, half a decibel and a twentieth of the codes, were set when the numbers were known.",
    ),
)
