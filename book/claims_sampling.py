"""The paper's claims about windows and plans, and the comparisons that would show them."""

from claims_tests import FIGURE_5, SHORTER, Claim, Test, changes, less, more

ONE_SET = (
    "Every claim about Figure 5 is held to the same numbers: the change in percent of two Fréchet distances and the "
    "change in distance to real clips, with either context. They were made one set when results were "
    "known; before, each claim had numbers of its own."
)

SAMPLING = (
    Claim(
        "sliding-window",
        "Past the training length a vanilla model loses quality, and one with a time-agnostic VQGAN keeps it.",
        "1, 2.2, 3.3, Fig. 2, 5",
        (
            *changes(
                "long-vanilla:vanilla-3",
                "long-base:base-3",
                "1024 frames, context 3, vanilla minus time-agnostic",
                "more",
                FIGURE_5,
            ),
            *changes(
                "long-vanilla:vanilla-1",
                "long-base:base-1",
                "1024 frames, context 1, vanilla minus time-agnostic",
                "more",
                FIGURE_5,
            ),
            *changes(
                "drift:zeros-3", "drift:replicate-3", "256 frames, context 3, vanilla minus other", "more", SHORTER
            ),
            *changes(
                "drift:zeros-1", "drift:replicate-1", "256 frames, context 1, vanilla minus other", "more", SHORTER
            ),
        ),
        "11 The study",
        "compare(stored, pairs, quality",
        f"The paper's context is 3, the released script's 1. {ONE_SET} The shorter videos, which Chapter 7 is "
        "about, are those of three trainings. Beside it, how far from real clips videos are late.",
        (
            more(
                "256 frames, context 3, grey levels to the nearest real clip late in the video",
                "drift:zeros-3/nearest",
                "drift:replicate-3/nearest",
                "",
                1,
            ),
            more("the same, context 1", "drift:zeros-1/nearest", "drift:replicate-1/nearest", "", 1),
            more(
                "the same, 1024 frames, context 3",
                "long-vanilla:vanilla-3/late/nearest",
                "long-base:base-3/late/nearest",
                "",
                1,
            ),
            more(
                "the same, 1024 frames, context 1",
                "long-vanilla:vanilla-1/late/nearest",
                "long-base:base-1/late/nearest",
                "",
                1,
            ),
            more(
                "1024 frames, context 1, share of videos that break",
                "long-vanilla:vanilla-1/broken",
                "long-base:base-1/broken",
            ),
        ),
    ),
    Claim(
        "hierarchy-delays",
        "A plan that is filled in delays the loss of quality.",
        "2.3, 3.3, Fig. 5",
        (
            *changes("long-planned:planned", "long-base:base-3", "1024 frames, plan minus context 3", "less", FIGURE_5),
            *changes("long-planned:planned", "long-base:base-1", "1024 frames, plan minus context 1", "less", FIGURE_5),
            *changes("hierarchy:two-levels", "hierarchy:base-3", "512 frames, plan minus context 3", "less", SHORTER),
            *changes("hierarchy:two-levels", "hierarchy:base-1", "512 frames, plan minus context 1", "less", SHORTER),
        ),
        "11 The study",
        "compare(stored, pairs, quality",
        f"{ONE_SET} The last two comparisons, made when the others were known, hold the plan against a sliding window "
        "whose transformer learnt from clips as long as those that the plan learnt from: its lead is gone.",
        (
            less(
                "512 frames, plan minus context 3, grey levels to the nearest real clip late in the video",
                "hierarchy:two-levels/nearest",
                "hierarchy:base-3/nearest",
                "",
                1,
            ),
            less(
                "the same, Fréchet distance, random features", "hierarchy:two-levels/random", "hierarchy:base-3/random"
            ),
            less("the same, token drift", "hierarchy:two-levels/token_js", "hierarchy:base-3/token_js", "nats", 3),
            less(
                "512 frames, plan minus context 3 of a transformer that learnt from pieces of as long clips, grey "
                "levels to the nearest real clip",
                "hierarchy:two-levels/nearest",
                "hierarchy-controls:pieces-3/nearest",
                "",
                1,
            ),
            less(
                "the same, token drift",
                "hierarchy:two-levels/token_js",
                "hierarchy-controls:pieces-3/token_js",
                "nats",
                3,
            ),
        ),
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
            more(
                "1024 frames, told no class, CCS, the same",
                "long-untold:untold-planned/late/ccs",
                "long-untold:untold-3/late/ccs",
                "",
                3,
            ),
            less("told no class, ICS", "long-untold:untold-planned/late/ics", "long-untold:untold-3/late/ics", "nats"),
        ),
        "11 The study",
        'compare(untold, [("untold-planned", "untold-3")]',
        "Told the class before every window, these models have a CCS near its ceiling of 1, so that little can be "
        "seen; told nothing, there is room. The plan learnt from longer clips as well.",
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
        'results.load("hierarchy-speed")',
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
        "knowable/{what}",
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
        "knowable/{what}",
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
        'print("paired differences and their 95 % intervals',
        "Both were trained for as many steps here; the protocol tells of a first run in which they were not.",
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
        'results.load("hierarchy-options")',
    ),
)
