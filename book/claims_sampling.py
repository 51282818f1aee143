"""The paper's claims about windows and plans, and the comparisons that would show them."""

from claims_tests import Claim, Test, changes, less, more

SAMPLING = (
    Claim(
        "sliding-window",
        "Past the training length a vanilla model loses quality, and one with a time-agnostic VQGAN keeps it.",
        "1, 2.2, 3.3, Fig. 2, 5",
        (
            *changes("drift", "zeros-3", "replicate-3", "context 3, zeros minus replicate", "more"),
            *changes("drift", "zeros-1", "replicate-1", "context 1, zeros minus replicate", "more"),
            more(
                "context 3, grey levels to the nearest real clip late in the video",
                "drift:zeros-3/nearest",
                "drift:replicate-3/nearest",
                "grey levels",
                1,
            ),
            more("context 1, the same", "drift:zeros-1/nearest", "drift:replicate-1/nearest", "grey levels", 1),
            more(
                "1024 frames, context 3, the same",
                "long-vanilla:vanilla-3/late/nearest",
                "long-base:base-3/late/nearest",
                "grey levels",
                1,
            ),
            more(
                "1024 frames, context 1, the same",
                "long-vanilla:vanilla-1/late/nearest",
                "long-base:base-1/late/nearest",
                "grey levels",
                1,
            ),
            more(
                "1024 frames, context 1, share of videos that break",
                "long-vanilla:vanilla-1/broken",
                "long-base:base-1/broken",
            ),
        ),
        "07 A memory of one latent frame",
        "The paper's context is 3, the released script's 1. Of so many comparisons one may leave out zero by chance.",
    ),
    Claim(
        "hierarchy-delays",
        "A plan that is filled in delays the loss of quality.",
        "2.3, 3.3, Fig. 5",
        (
            *changes("hierarchy", "two-levels", "base-3", "two levels minus the sliding window", "less"),
            less(
                "late in the video, grey levels to the nearest real clip",
                "hierarchy:two-levels/nearest",
                "hierarchy:base-3/nearest",
                "grey levels",
                1,
            ),
            less(
                "late in the video, Fréchet distance, random features",
                "hierarchy:two-levels/random",
                "hierarchy:base-3/random",
            ),
            less(
                "late in the video, token drift",
                "hierarchy:two-levels/token_js",
                "hierarchy:base-3/token_js",
                "nats",
                3,
            ),
        ),
        "08 Is it better?",
        "Beside it, the same against a window that looks back on one latent frame only, as in the released script.",
        changes("hierarchy", "two-levels", "base-1", "two levels minus the sliding window with context 1", "less"),
    ),
    Claim(
        "hierarchy-coherence",
        "Planned videos stay with their class for longer.",
        "3.3, Fig. 6",
        (
            more(
                "CCS late in the video, two levels minus the sliding window",
                "hierarchy:two-levels/ccs",
                "hierarchy:base-3/ccs",
                "",
                3,
            ),
            less("ICS, the same", "hierarchy:two-levels/ics", "hierarchy:base-3/ics", "nats", 3),
            more("1024 frames, CCS, the same", "long-planned:planned/late/ccs", "long-base:base-3/late/ccs", "", 3),
        ),
        "08 Is it better?",
        "With a class word before every window CCS is near its ceiling of 1 in all models, so that little can be seen.",
    ),
    Claim(
        "hierarchy-faster",
        "A hierarchy draws 1024 frames in a quarter of the time: the plan takes it, filling in next to none.",
        "B.2, B.3, Table 3",
        (
            less(
                "seconds, two levels with 64 gaps at once minus the sliding window",
                "hierarchy-speed:seconds/two-levels-64",
                "hierarchy-speed:seconds/base-3",
                "s",
                1,
            ),
            less(
                "tokens that have to wait for the one before, the same",
                "hierarchy-speed:steps/two-levels-64",
                "hierarchy-speed:steps/base",
                "",
                0,
            ),
            Test(
                "seconds of the plan as a share of the sliding window's",
                "hierarchy-speed:seconds/plan",
                "less",
                "hierarchy-speed:seconds/base-3",
                than=0.3,
                quotient=True,
            ),
            Test(
                "seconds of both levels, the same",
                "hierarchy-speed:seconds/two-levels-64",
                "less",
                "hierarchy-speed:seconds/base-3",
                than=0.3,
                quotient=True,
            ),
        ),
        "08 Where the time goes",
        "Less than 0.3 counts as a quarter (set when the results were known). Many gaps side by side are cheap on a "
        "GPU and not on a processor.",
    ),
    Claim(
        "interpolation-attention",
        "Looking at the anchors on both ends tells the interpolation transformer what lies between.",
        "2.3, A.4, Fig. 14c",
        (
            more(
                "share right, interpolation minus causal mask",
                "interpolation-leak:interpolation/right",
                "interpolation-leak:causal/right",
            ),
            less("loss, the same", "interpolation-leak:interpolation/nats", "interpolation-leak:causal/nats", "nats"),
        ),
        "08 A world where everything is known",
    ),
    Claim(
        "leaking-mask",
        "If the last anchor may look at the gap, several layers leak its contents to itself and training is worthless.",
        "A.4, Fig. 14b",
        (
            less(
                "training loss, leaking mask minus what can be known",
                "interpolation-leak:leaking/nats",
                "interpolation-leak:leaking/knowable/nats",
                "nats",
            ),
            less(
                "share right when drawing, leaking minus interpolation mask",
                "interpolation-leak:leaking/right",
                "interpolation-leak:interpolation/right",
            ),
        ),
        "08 A world where everything is known",
        "Beside it, whether drawing is even worse than with anchors on one side only.",
        (
            less(
                "share right, leaking mask minus causal mask",
                "interpolation-leak:leaking/right",
                "interpolation-leak:causal/right",
            ),
        ),
    ),
    Claim(
        "filling-in-is-easy",
        "Filling in is the easier task: fewer steps suffice.",
        "B.2",
        (
            less(
                "held-out loss, filling in minus going on",
                "hierarchy:nll/filler",
                "hierarchy:nll/replicate",
                "nats a token",
                3,
            ),
        ),
        "08 Is it better?",
        "Both were trained for as many steps here. With half of them filling in was worse, says the protocol.",
    ),
    Claim(
        "filling-in-filters",
        "For filling in, a smaller k and p give better results.",
        "B.2",
        (
            less(
                "grey levels to the nearest real clip, p 0.5 minus p 0.8",
                "hierarchy-options:hierarchical-fill-p0.5/nearest",
                "hierarchy-options:hierarchical/nearest",
                "",
                2,
            ),
            less(
                "the likeliest token minus p 0.8",
                "hierarchy-options:hierarchical-fill-greedy/nearest",
                "hierarchy-options:hierarchical/nearest",
                "",
                2,
            ),
        ),
        "08 Knobs",
    ),
)
