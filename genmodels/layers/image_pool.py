"""A pool of pictures drawn earlier, so that a discriminator does not forget what it has seen (arXiv 1612.07828)."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class ImagePool(nn.Module):
    """Keeps `size` pictures of `shape` (C, H, W); 0 keeps none and hands all through.

    Held as bytes, as the real pictures are: a quarter of the memory, and of each checkpoint, that floats would take.
    What it holds is part of the model's state, because a resumed training must go on with the same pictures.
    """

    pictures: Tensor

    def __init__(self, size: int, shape: tuple[int, int, int]) -> None:
        super().__init__()
        self.filled = 0
        self.register_buffer("pictures", torch.zeros(size, *shape, dtype=torch.uint8))

    @torch.no_grad()
    def exchange(self, fresh: Tensor) -> Tensor:
        """As many pictures as `fresh` (B, C, H, W) in [-1, 1], to train a discriminator on.

        While the pool fills, each picture goes in and is given back. After that half of them are given back, and each
        of the others takes the place of a kept one, which is given instead. Draws from torch's default generator.
        """
        size = len(self.pictures)
        if not size:
            return fresh
        given = fresh.clone()
        # On the CPU: reading a draw from a GPU would stall every step.
        draws, slots = torch.rand(len(fresh)).tolist(), torch.randint(size, (len(fresh),)).tolist()
        for row, (draw, slot) in enumerate(zip(draws, slots, strict=True)):
            kept = (fresh[row].float() + 1).mul_(127.5).round_().clamp_(0, 255).to(torch.uint8)
            if self.filled < size:
                self.pictures[self.filled] = kept
                self.filled += 1
            elif draw < 0.5:
                given[row] = self.pictures[slot].float().mul_(2 / 255).sub_(1)
                self.pictures[slot] = kept
        return given

    def get_extra_state(self) -> Tensor:
        """The count beside the pictures; not a buffer, for it is read each step and a buffer moves to the GPU."""
        return torch.tensor(self.filled)

    def set_extra_state(self, state: Tensor) -> None:
        self.filled = int(state)
