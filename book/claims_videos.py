"""The paper's claims about conditions and about whole videos, and the comparisons that would show them."""

from claims_sampling import ONE_SET
from claims_tests import FIGURE_5, Claim, Test, changes, less, more
from claims_votes import PAPERS_PAIRS, PAPERS_VOTES, Recount, pairs_for_first

OPPONENTS = ("recurrent", "implicit")
TABLE_1 = {
    "classifier/frechet": "Fréchet distance, classifier",
    "random/frechet": "Fréchet distance, random features",
    "classifier/kernel": "kernel distance, classifier",
    "random/kernel": "kernel distance, random features",
    "is": "inception score",
}

CONDITIONS = (
    Claim(
        "class-condition",
        "Being told the class makes the transformer's task easier and the clips better.",
        "3.2, Table 1d",
        (
            less(
                "held-out loss, told minus not told",
                "condition-class:told/nats/all",
                "condition-class:untold/nats/all",
                "nats a token",
                3,
            ),
            more("inception score", "condition-class:told/clips/is", "condition-class:untold/clips/is"),
            less(
                "Fréchet distance, random features",
                "condition-class:told/clips/random",
                "condition-class:untold/clips/random",
            ),
            less(
                "Fréchet distance, classifier features",
                "condition-class:told/clips/classifier",
                "condition-class:untold/clips/classifier",
            ),
            more(
                "CCS over 256 frames, area",
                "condition-class:told/videos/ccs_area",
                "condition-class:untold/videos/ccs_area",
                "",
                3,
            ),
        ),
        "09 And the class?",
        "table(classes,",
        "Paper: IS 57.63 without and 79.28 with classes, FVD 420 and 332.",
    ),
    Claim(
        "text-steers",
        "A text steers what happens in a video.",
        "2.3, 3.4",
        (
            more(
                "stated events that happen, own text minus another text",
                "condition-text-fine:own/happens",
                "condition-text-fine:other/happens",
            ),
            more(
                "the same, told minus not told", "condition-text-fine:own/happens", "condition-text-fine:untold/happens"
            ),
            less(
                "held-out loss, told minus not told",
                "condition-text-fine:nats/told/all",
                "condition-text-fine:nats/untold/all",
                "nats a token",
                3,
            ),
        ),
        "09 Does it do what it is told?",
        'fine = results.load("condition-text-fine")',
        "With the second tokenizer of that chapter; the first lost what texts speak of. Events are "
        "counted as the share of those of a text that happen, the mean over clips.",
    ),
    Claim(
        "one-word-changes-a-fate",
        "Changing “killed by” to “kills” changes the end of the story.",
        "3.4, Fig. 9",
        (
            more(
                "share of videos that turn, changed text minus changed luck",
                "condition-text-fine:edit-fate/changes",
                "condition-text-fine:edit-fate/by_luck",
            ),
        ),
        "09 One word, another fate",
        "changes - by luck",
        "The paper shows one example and no number. With the second tokenizer of that chapter, through which kills are "
        "still seldom seen. The 96 clips are told 12 different sentences. Beside it, another word, the name of the "
        "monster: 96 clips, told 27 different sentences.",
        (
            more(
                "share of videos that turn, another monster minus other luck",
                "condition-text-fine:edit-monster/changes",
                "condition-text-fine:edit-monster/by_luck",
            ),
        ),
    ),
    Claim(
        "storyline",
        "A condition that moves on with the window makes a long video follow a storyline.",
        "2.3",
        (
            more(
                "stated events that happen, story told on minus beginning only",
                "condition-text-fine:story/own/happens",
                "condition-text-fine:story/beginning/happens",
            ),
            more(
                "the same, minus another story",
                "condition-text-fine:story/own/happens",
                "condition-text-fine:story/other/happens",
            ),
        ),
        "09 A story",
        "story/{arm}/happens",
        "The paper shows no number.",
    ),
    Claim(
        "sound-steers",
        "A sound track steers the picture, and makes it more like the real one.",
        "3.2, Table 1c",
        (
            more(
                "strikes in time (F1), no frame given, own sound minus another",
                "condition-sound:given-0/own/f1",
                "condition-sound:given-0/other/f1",
            ),
            more(
                "the same, told minus not told", "condition-sound:given-0/own/f1", "condition-sound:given-0/untold/f1"
            ),
            more(
                "SSIM at frame 45, 16 frames given, told minus not told",
                "condition-sound:given-16/own/ssim",
                "condition-sound:given-16/untold/ssim",
                "",
                3,
            ),
            more(
                "PSNR at frame 45, 16 frames given, told minus not told",
                "condition-sound:given-16/own/psnr",
                "condition-sound:given-16/untold/psnr",
                "dB",
            ),
        ),
        "09 Drums: struck where they are heard?",
        '"ssim": "SSIM, frame 45"',
        "Paper: SSIM 0.964 and PSNR 27.7 at frame 45, beside other methods and not beside its own model without sound. "
        "Openings differ: strikes are counted in videos that were given no frame, SSIM and PSNR are taken of such that "
        "were given 16. With 0, 4 and 16 frames given there are six comparisons of SSIM and PSNR, told and not told. "
        "Of these only the one of PSNR above is clear; against another sound none of the six is.",
    ),
)

LONG = (
    Claim(
        "slower-than-others",
        "Quality falls more slowly than in generators that unroll a recurrent network or read time off a coordinate.",
        "3.3, Fig. 5",
        tuple(
            test
            for other in OPPONENTS
            for context in ("base-3", "base-1")
            for test in changes(
                f"long-base:{context}",
                f"long-opponents:{other}",
                f"1024 frames, ours with context {context[-1]} minus {other}",
                "less",
                FIGURE_5,
            )
        ),
        "11 The study",
        "compare(stored, pairs, quality",
        f"The others are small re-creations of the two kinds of model, not MoCoGAN-HD and DIGAN themselves. {ONE_SET}",
    ),
    Claim(
        "recurrent-without-loops",
        "Events come back in 1024 frames, and yet all frames are unique: no loops are copied.",
        "3.4, Fig. 7, 18",
        (
            Test("share of frames like no earlier one", "long-base:base-3/unique", "equal", than=1.0, digits=4),
            more("grey levels to the most alike earlier part", "long-base:base-3/late/earlier", None, "grey levels", 1),
            Test(
                "the same, minus real videos through the tokenizer",
                "long-base:base-3/late/earlier",
                "within",
                "long-real:rebuilt/late/earlier",
                margin=2.0,
                unit="grey levels",
                digits=1,
            ),
        ),
        "11 Again and again",
        "repetition = {",
        "Two grey levels count as no difference; set before there were results.",
    ),
    Claim(
        "smooth-transitions",
        "Generated skies get further from their first frame than real ones, and do so smoothly.",
        "3.4, Fig. 8, Table 2",
        (
            less(
                "colour correlation of first and last frame, drawn minus real",
                "long-sky:base-3/ends/colour/mean",
                "long-sky:real/ends/colour/mean",
            ),
            less(
                "SSIM of first and last frame, drawn minus real",
                "long-sky:base-3/ends/ssim/mean",
                "long-sky:real/ends/ssim/mean",
            ),
            less("largest step over the median one, drawn", "long-sky:base-3/jump", None, than=5.0),
        ),
        "11 Smooth transitions",
        "paper, generated (500)",
        "Paper: LPIPS 0.3461 against 0.1839 and colour correlation 0.0797 against 0.7330. LPIPS is not taken of "
        "pictures this small. A step of five times the median counts as a cut. All set before there were results of "
        "skies. Beside it, six motions, whose world never changes a colour.",
        (
            less(
                "six motions, colour correlation of first and last frame, drawn minus real",
                "long-base:base-3/ends/colour/mean",
                "long-real:real/ends/colour/mean",
            ),
            less(
                "the same, SSIM",
                "long-base:base-3/ends/ssim/mean",
                "long-real:real/ends/ssim/mean",
            ),
            less("the same, largest step over the median one", "long-base:base-3/jump", None, than=5.0),
        ),
    ),
    Claim(
        "few-fail-for-good",
        "A small part of the videos breaks down on the way and stays broken.",
        "3.3, C.2, Fig. 20",
        (
            more("share of videos broken at their end", "long-base:base-3/broken"),
            less("the same", "long-base:base-3/broken", None, than=0.5),
        ),
        "11 The study",
        '"broken": "broken"',
        "Beside it, the “repeated tokens” of C.2: how many tokens are the same in the next latent frame, in the second "
        "half of a video. Trainings of which no video is broken for good have nothing to compare and are left out.",
        (
            more(
                "share of tokens that repeat, context 3, broken minus unbroken videos",
                "long-base:base-3/tokens_repeat/broken",
                "long-base:base-3/tokens_repeat/unbroken",
                "",
                3,
            ),
        ),
    ),
    Claim(
        "periodic-artefacts",
        "Videos of a generator that reads time off sinusoids carry a periodic pattern, ours do not.",
        "C.3, Fig. 17",
        (
            more(
                "share of one wave in the late difference map, implicit minus ours",
                "long-opponents:implicit/stripes",
                "long-base:base-3/stripes",
            ),
        ),
        "11 Stripes",
        '{"stripes": "stripes"}',
        "With a small re-creation of such a generator. Of its three trainings on skies two fell apart, and the third "
        "has a weaker wave than the world itself.",
    ),
    Claim(
        "sky-outlier",
        "FVD falls along sky videos although they get no better, because I3D never saw skies in training.",
        "3.3 (a conjecture)",
        (
            less(
                "Fréchet distance, features of a classifier that never saw a sky, later minus first, TATS-base with "
                "context 3",
                "long-sky:base-3/later/classifier",
            ),
        ),
        "11 Smooth transitions",
        'wear = {"late/classifier"',
        "The paper sees it fall for DIGAN and TATS-hierarchical. Here it is TATS-base, a classifier of six motions for "
        "I3D, another world for the sky. That the distance falls could be seen here; that it is for this reason could "
        "not. Beside it, context 1, and whether windows leave the training clips.",
        (
            less("the same, TATS-base with context 1", "long-sky:base-1/later/classifier"),
            Test(
                "grey levels to the nearest training clip, later minus first, TATS-base with context 3",
                "long-sky:base-3/later/nearest",
                "not less",
                unit="grey levels",
                digits=1,
            ),
        ),
    ),
    Claim(
        "short-videos",
        "Clips of 16 frames are as good as or better than those of the methods of the time.",
        "3.2, Table 1",
        tuple(
            Test(
                f"{words}, ours minus {other}",
                f"short-videos:replicate/{key}",
                "more" if key == "is" else "less",
                f"short-videos:{other}/{key}",
                digits=3,
            )
            for other in OPPONENTS
            for key, words in TABLE_1.items()
        )
        + tuple(
            less(f"{words}, {world}, ours minus implicit", f"{study}:replicate/{key}", f"{study}:implicit/{key}", "", 3)
            for study, world in (("short-skies", "skies"), ("short-taichi", "T'ai-chi"))
            for key, words in TABLE_1.items()
            if key != "is"
        ),
        "10 Table 1, and its twin",
        'columns = ("classifier/frechet"',
        "The others are small re-creations, and toy worlds stand for the real data sets. A comparison is as claimed if "
        "ours is better; as good as another is what no interval can show. Chosen when results were known: all numbers "
        "of the chapter's tables, the same for each opponent. On skies two of three trainings of implicit fell apart.",
    ),
    Claim(
        "human-preference",
        "People choose TATS over DIGAN in 67 % of 530 votes, which is no chance.",
        "C.3",
        (),
        "11 Stripes",
        "preference(355, 175)",
        "We have no votes of our own: only the paper's arithmetic is done again, on the counts that it publishes. What "
        "they can and cannot show is on the page about [the human study](human_study.md).",
        recounts=(
            Recount("votes for TATS and for DIGAN, taken as independent", *PAPERS_VOTES),
            Recount(
                "each pair of videos one vote, as if its raters had always agreed",
                pairs_for_first(),
                PAPERS_PAIRS - pairs_for_first(),
                counts=False,
            ),
        ),
    ),
)
