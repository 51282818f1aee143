"""The codebook: nearest codes, running means, initialisation, restart, and where randomness may come from."""

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from tatslib.vqgan import codebook as module
from tatslib.vqgan.codebook import Codebook, code_statistics, draw_candidates, nearest_codes, perplexity_of


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def latents(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=generator(seed))


def filled(codes: int = 8, width: int = 4, seed: int = 1, **options: object) -> Codebook:
    book = Codebook(codes, width, **options)
    book.initialise(latents(codes, width, seed=seed))
    return book


@settings(max_examples=30, deadline=None)
@given(rows=st.integers(1, 40), codes=st.integers(1, 20), width=st.integers(1, 6), seed=st.integers(0, 99))
def test_nearest_codes_equal_the_full_distance_matrix(rows: int, codes: int, width: int, seed: int) -> None:
    vectors, book = latents(rows, width, seed=seed), latents(codes, width, seed=seed + 100)
    distances = torch.cdist(vectors.double(), book.double())
    chosen = distances.gather(1, nearest_codes(vectors, book).unsqueeze(1)).squeeze(1)
    torch.testing.assert_close(chosen, distances.min(1).values, rtol=1e-5, atol=1e-5)


def test_of_equally_near_codes_the_first_wins() -> None:
    assert nearest_codes(torch.zeros(3, 2), torch.ones(4, 2)).tolist() == [0, 0, 0]


def test_chunks_do_not_change_the_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    vectors, book = latents(101, 4), latents(16, 4, seed=1)
    whole = nearest_codes(vectors, book)
    for at_once in (1, 16, 50, 33 * 16):
        monkeypatch.setattr(module, "DISTANCES_AT_ONCE", at_once)
        assert torch.equal(nearest_codes(vectors, book), whole)


def test_statistics_equal_those_of_a_one_hot_matrix() -> None:
    vectors, tokens = latents(50, 4), torch.randint(7, (50,), generator=generator())
    one_hot = F.one_hot(tokens, 7).float()
    counts, sums = code_statistics(vectors, tokens, 7)
    assert torch.equal(counts, one_hot.sum(0))
    torch.testing.assert_close(sums, one_hot.T @ vectors)


def test_codes_follow_the_running_mean_of_what_they_win() -> None:
    book = filled(decay=0.9).train()
    start, z = book.embeddings.clone(), latents(2, 4, 3, 2, 2)
    tokens = book(z).tokens.flatten()
    vectors = z.movedim(1, -1).reshape(-1, 4)
    for code in range(8):
        won = vectors[tokens == code]
        count, total = 0.9 + 0.1 * len(won), 0.9 * start[code] + 0.1 * won.sum(0)
        torch.testing.assert_close(book.embeddings[code], total / count, rtol=1e-4, atol=1e-5)


def test_gradients_pass_straight_through_and_the_encoder_is_pulled_to_its_codes() -> None:
    book = filled().eval()
    z = latents(1, 4, 2, 2, 2).requires_grad_()
    out = book(z)
    (out.latents * 3).sum().backward(retain_graph=True)
    assert torch.equal(z.grad, torch.full_like(z, 3))
    z.grad = None
    out.commitment_loss.backward()
    expected = 0.25 * 2 * (z - book.decode(out.tokens)) / z.numel()
    torch.testing.assert_close(z.grad, expected)
    torch.testing.assert_close(out.latents, book.decode(out.tokens))


def test_eval_mode_changes_nothing_and_needs_no_generator() -> None:
    book = filled(restart_below_mean=0.5).eval()
    before = {key: value.clone() for key, value in book.state_dict().items()}
    book(latents(2, 4, 2, 2, 2))
    assert all(torch.equal(value, before[key]) for key, value in book.state_dict().items())


def test_perplexity_counts_codes_that_are_used_equally_often() -> None:
    assert perplexity_of(torch.tensor([5.0, 0, 5, 5])).item() == pytest.approx(3)
    assert perplexity_of(torch.tensor([9.0, 0, 0, 0])).item() == pytest.approx(1)


def test_the_first_training_step_takes_codes_from_the_batch() -> None:
    book = Codebook(8, 4).train()
    z = latents(2, 4, 3, 2, 2)
    out = book(z, generator())
    rows = z.movedim(1, -1).reshape(-1, 4)
    chosen = draw_candidates(rows, 8, generator())
    assert torch.equal(out.tokens.flatten(), nearest_codes(rows, chosen))
    assert all((rows == row).all(1).any() for row in chosen)
    assert bool(book.initialised)


def test_few_vectors_are_repeated_with_a_little_noise() -> None:
    rows = latents(3, 4)
    chosen = draw_candidates(rows, 8, generator())
    assert chosen.shape == (8, 4)
    assert len(chosen.unique(dim=0)) == 8
    assert torch.cdist(chosen, rows).min(1).values.max() < 0.1


def test_a_loaded_codebook_is_not_initialised_again() -> None:
    trained, z = filled().train(), latents(2, 4, 3, 2, 2)
    trained(z)
    resumed = Codebook(8, 4).train()
    resumed.load_state_dict(trained.state_dict())
    assert torch.equal(resumed(z).tokens, trained(z).tokens)
    assert torch.equal(resumed.embeddings, trained.embeddings)


def far_code(book: Codebook) -> None:
    """Put code 0 where nothing is, long unused."""
    book.embeddings[0] = book.sums[0] = 100.0
    book.counts.fill_(5)
    book.sums.copy_(book.embeddings * 5)
    book.counts[0], book.sums[0] = 0.01, 1.0


@pytest.mark.parametrize("threshold", [{"restart_below_count": 1.0}, {"restart_below_mean": 0.1}])
def test_a_restarted_code_stays_where_it_was_put(threshold: dict[str, float]) -> None:
    book = filled(**threshold).train()
    far_code(book)
    z = latents(1, 4, 4, 4, 4)
    book(z, generator(3))
    fresh = book.embeddings[0].clone()
    assert torch.equal(fresh, draw_candidates(z.movedim(1, -1).reshape(-1, 4), 8, generator(3))[0])
    torch.testing.assert_close(book.sums[0], fresh * book.counts[0])
    assert book.counts[0] > 1
    book(z, generator(4))
    assert (book.embeddings[0] - fresh).norm() < 0.2


def test_the_released_restart_is_taken_back_by_old_statistics() -> None:
    book = filled(restart_below_count=1.0, restart_statistics=False).train()
    far_code(book)
    before = book.sums[0].clone()
    book(latents(1, 4, 4, 4, 4), generator(3))
    assert book.embeddings[0].abs().max() < 10
    torch.testing.assert_close(book.sums[0], before * 0.99)
    assert book.counts[0] < 1, "so it is drawn anew every step"


def test_a_step_that_draws_at_random_asks_for_a_generator() -> None:
    with pytest.raises(ValueError, match=r"pass a torch\.Generator"):
        Codebook(8, 4).train()(latents(1, 4, 2, 2, 2))


def test_only_the_passed_generator_decides() -> None:
    z, states = latents(2, 4, 3, 2, 2), []
    for global_seed in (0, 1):
        torch.manual_seed(global_seed)
        book = Codebook(8, 4, restart_below_mean=0.5).train()
        for step in range(3):
            book(z, generator(step))
        states.append(book.state_dict())
        torch.manual_seed(global_seed)
        expected = torch.rand(1)
        torch.manual_seed(global_seed)
        book(z, generator(9))
        assert torch.equal(torch.rand(1), expected), "the global generator is left alone"
    assert all(torch.equal(states[0][key], states[1][key]) for key in states[0])


def test_bfloat16_latents_are_compared_in_float32() -> None:
    book, z = filled().eval(), latents(1, 4, 2, 2, 2).bfloat16()
    with torch.autocast("cpu", torch.bfloat16):
        out = book(z)
        tokens = book.encode(z)
    assert out.latents.dtype == out.commitment_loss.dtype == torch.float32
    assert torch.equal(tokens, nearest_codes(z.float().movedim(1, -1).reshape(-1, 4), book.embeddings).view(1, 2, 2, 2))
    assert torch.equal(tokens, out.tokens)
