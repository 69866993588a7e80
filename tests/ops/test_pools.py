"""Pools of made images against what the paper says of them, image by image."""

import torch
from torch import Tensor

from sfumato.ops.pools import exchanged

SIZE = 50


def numbered(first: int, count: int) -> Tensor:
    """Images (count, 1, 1, 1) that say which they are, from 1."""
    return torch.arange(first, first + count, dtype=torch.float32)[:, None, None, None] + 1


def given(batch: int, rounds: int) -> tuple[list[Tensor], Tensor, Tensor]:
    """What came back in each round, the pool and its count."""
    torch.manual_seed(0)
    pool, count = torch.zeros(SIZE, 1, 1, 1), torch.zeros((), dtype=torch.int64)
    back = [exchanged(pool, count, numbered(batch * number, batch)).flatten() for number in range(rounds)]
    return back, pool.flatten(), count


def test_while_it_fills_images_come_back_and_stay_in_order() -> None:
    back, pool, count = given(1, SIZE)
    assert torch.cat(back).tolist() == pool.tolist() == list(range(1, SIZE + 1))
    assert int(count) == SIZE


def test_a_full_pool_exchanges_half_of_the_images() -> None:
    back, _, _ = given(1, 4000)
    later = torch.cat(back)[SIZE:]
    old = later != torch.arange(SIZE + 1, 4001)
    assert abs(float(old.float().mean()) - 0.5) < 0.03


def test_no_image_is_lost_or_doubled() -> None:
    """What came back and what is in the pool are together what was given, but for what came back while it filled."""
    for batch in (1, 4, 7):
        back, pool, _ = given(batch, 100)
        total = 100 * batch
        filling = torch.cat(back)[:SIZE]
        assert filling.tolist() == list(range(1, SIZE + 1))
        everything = torch.cat([torch.cat(back)[SIZE:], pool]).sort().values
        assert everything.tolist() == list(range(1, total + 1))


def test_a_batch_that_fills_the_last_places_returns_the_rest() -> None:
    back, pool, count = given(7, 8)  # the eighth has one image for the pool, and six beyond it
    assert back[7].tolist() == list(range(50, 57))
    assert pool[-1] == 50
    assert int(count) == 56


def test_an_image_waits_about_twice_the_size_of_the_pool() -> None:
    """A place is taken with a chance of 1/100 by each image that comes: ages are geometric."""
    back, _, _ = given(1, 20_000)
    ages = (torch.arange(1, 20_001) - torch.cat(back))[1000:]
    waited = ages[ages > 0]
    assert abs(float(waited.mean()) / (2 * SIZE) - 1) < 0.1
