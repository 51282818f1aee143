"""The paper's claims about conditions and about whole videos, and the comparisons that would show them."""

from claims_tests import Claim, Test, less, more

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
        ),
        "09",
        "Paper: IS 57.63 without and 79.28 with classes, FVD 420 and 332.",
    ),
    Claim(
        "text-steers",
        "A text steers what happens in a video.",
        "2.3, 3.4",
        (
            more(
                "stated events that happen, own text minus another text",
                "condition-text:own/happens",
                "condition-text:other/happens",
            ),
            more("the same, told minus not told", "condition-text:own/happens", "condition-text:untold/happens"),
            less(
                "held-out loss, told minus not told",
                "condition-text:nats/told/all",
                "condition-text:nats/untold/all",
                "nats a token",
                3,
            ),
        ),
        "09",
    ),
    Claim(
        "one-word-changes-a-fate",
        "Changing “killed by” to “kills” changes the end of the story.",
        "3.4, Fig. 9",
        (
            more(
                "share of videos that turn, changed text minus changed luck",
                "condition-text:edit-fate/changes",
                "condition-text:edit-fate/by_luck",
            ),
        ),
        "09",
        "The paper shows one example and no number.",
    ),
    Claim(
        "storyline",
        "A condition that moves on with the window makes a long video follow a storyline.",
        "2.3",
        (
            more(
                "stated events that happen, story told on minus beginning only",
                "condition-text:story/own/happens",
                "condition-text:story/beginning/happens",
            ),
            more(
                "the same, minus another story",
                "condition-text:story/own/happens",
                "condition-text:story/other/happens",
            ),
        ),
        "09",
        "The paper shows no number.",
    ),
    Claim(
        "sound-steers",
        "A sound track steers the picture, and makes it more like the real one.",
        "3.2, Table 1c",
        (
            more(
                "strikes in time, own sound minus another",
                "condition-sound:given-0/own/f1",
                "condition-sound:given-0/other/f1",
            ),
            more(
                "the same, told minus not told", "condition-sound:given-0/own/f1", "condition-sound:given-0/untold/f1"
            ),
            more(
                "SSIM at frame 45, told minus not told",
                "condition-sound:given-16/own/ssim",
                "condition-sound:given-16/untold/ssim",
                "",
                3,
            ),
            more(
                "PSNR at frame 45, told minus not told",
                "condition-sound:given-16/own/psnr",
                "condition-sound:given-16/untold/psnr",
                "dB",
            ),
        ),
        "09",
        "Paper: SSIM 0.964 and PSNR 27.7 at frame 45, beside other methods and not beside its own model without sound.",
    ),
)

LONG = (
    Claim(
        "slower-than-others",
        "Quality falls more slowly than in generators that unroll a recurrent network or read time off a coordinate.",
        "3.3, Fig. 5",
        (
            less(
                "change of the Fréchet distance, classifier, ours minus recurrent",
                "long-base:base-3/later/classifier",
                "long-opponents:recurrent/later/classifier",
            ),
            less(
                "the same, ours minus implicit",
                "long-base:base-3/later/classifier",
                "long-opponents:implicit/later/classifier",
            ),
            less(
                "change in grey levels to the nearest real clip, ours minus recurrent",
                "long-base:base-3/later/nearest",
                "long-opponents:recurrent/later/nearest",
                "grey levels",
                1,
            ),
            less(
                "the same, ours minus implicit",
                "long-base:base-3/later/nearest",
                "long-opponents:implicit/later/nearest",
                "grey levels",
                1,
            ),
        ),
        "11",
        "The others are small re-creations of the two kinds of model, not MoCoGAN-HD and DIGAN themselves.",
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
        "11",
        "Two grey levels count as no difference; set before there were results.",
    ),
    Claim(
        "smooth-transitions",
        "Generated skies get further from their first frame than real ones, and do so smoothly.",
        "3.4, Fig. 8, Table 2",
        (
            less(
                "colour correlation of first and last frame, drawn minus real",
                "long-base:base-1/ends/colour/mean",
                "long-real:real/ends/colour/mean",
            ),
            less(
                "SSIM of first and last frame, drawn minus real",
                "long-base:base-1/ends/ssim/mean",
                "long-real:real/ends/ssim/mean",
            ),
            less("largest step over the median one, drawn", "long-base:base-1/jump", None, than=5.0),
        ),
        "11",
        "Paper: LPIPS 0.3461 against 0.1839 and colour correlation 0.0797 against 0.7330. "
        "Here of six motions and not of skies. LPIPS is not taken of pictures this small. A step of five times the "
        "median counts as a cut; set before there were results.",
    ),
    Claim(
        "few-fail-for-good",
        "A small part of the videos breaks down on the way and stays broken.",
        "3.3, C.2, Fig. 20",
        (
            more("share of videos broken at their end", "long-base:base-3/broken"),
            less("the same", "long-base:base-3/broken", None, than=0.5),
        ),
        "11",
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
        "11",
        "With a small re-creation of such a generator, and on another world than the sky.",
    ),
    Claim(
        "sky-outlier",
        "FVD falls along sky videos although they get no better, because I3D never saw skies in training.",
        "3.3 (a conjecture)",
        (),
        "11",
        "It takes I3D, skies of the real data set and models at paper scale; no study at toy scale can speak of it.",
    ),
    Claim(
        "short-videos",
        "Clips of 16 frames are as good as or better than those of the methods of the time.",
        "3.2, Table 1",
        (),
        "10",
        "It takes the real data sets and models at paper scale.",
    ),
    Claim(
        "human-preference",
        "People choose TATS over DIGAN in 67 % of 530 votes, which is no chance.",
        "C.3",
        (),
        "",
        "We have no votes of our own. The arithmetic of the paper's holds, see [the human study](human_study.md).",
    ),
)
