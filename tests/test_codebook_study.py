"""The study of restarts and resumes: what is done to a codebook there is what its protocol says."""

import torch

from tatslib.studies import codebook
from tatslib.training.presets import PRESETS
from tatslib.vqgan.vqgan import VQGAN


class Grey:
    def clips(self, step: int, batch: int) -> tuple[torch.Tensor, torch.Tensor]:
        generator = torch.Generator().manual_seed(step)
        frames = torch.randint(0, 255, (batch, 16, 24, 24, 3), dtype=torch.uint8, generator=generator)
        return frames, torch.zeros(batch, dtype=torch.int64)


def test_codes_drawn_anew_are_latents_of_the_first_batch_each_as_if_chosen_once(monkeypatch) -> None:
    monkeypatch.setattr(codebook, "clips_for", lambda *_: Grey())
    vqgan = VQGAN(PRESETS["toy"].vqgan).eval()
    before = vqgan.codebook.embeddings.clone()
    codebook.start_anew(vqgan, None, seed=0)
    assert not torch.equal(vqgan.codebook.embeddings, before)
    assert torch.equal(vqgan.codebook.counts, torch.ones(512)) and vqgan.codebook.initialised


def test_the_three_habits_differ_in_restarts_alone() -> None:
    config = PRESETS["toy"].vqgan
    changed = {name: config.replace(**change).model_dump() for name, change in codebook.RESTARTS.items()}
    ours = changed["statistics"]
    for name in ("vector", "none"):
        assert {key for key in ours if ours[key] != changed[name][key]} <= {"restart_statistics", "restart_below_mean"}
