"""Replay buffer (image pool) of earlier generated images for a discriminator: Shrivastava et al., arXiv 1612.07828."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class ImagePool(nn.Module):
    """Holds up to `size` images of `shape` (C, H, W); with size 0 `exchange` returns its input.

    Images are stored as bytes, as the data sets are: a quarter of the memory of floats, and of each checkpoint. They
    are part of the model's state, because a resumed training must continue with the same images.
    """

    pictures: Tensor  # the key in published and users' checkpoints

    def __init__(self, size: int, shape: tuple[int, int, int]) -> None:
        super().__init__()
        self.filled = 0
        self.register_buffer("pictures", torch.zeros(size, *shape, dtype=torch.uint8))

    @torch.no_grad()
    def exchange(self, images: Tensor) -> Tensor:
        """A batch to train a discriminator on. Shape: (B, C, H, W) in [-1, 1], as `images`.

        Until the pool is full, each image is stored and returned. From then on, with probability 1/2 an image is
        returned, otherwise it replaces a random stored one, which is returned. Uses torch's default generator.
        """
        size = len(self.pictures)
        if not size:
            return images
        result = images.clone()
        # On the CPU: reading a random number from a GPU would stall every step.
        chances, slots = torch.rand(len(images)).tolist(), torch.randint(size, (len(images),)).tolist()
        for row, (chance, slot) in enumerate(zip(chances, slots, strict=True)):
            stored = (images[row].float() + 1).mul_(127.5).round_().clamp_(0, 255).to(torch.uint8)
            if self.filled < size:
                self.pictures[self.filled] = stored
                self.filled += 1
            elif chance < 0.5:
                result[row] = self.pictures[slot].float().mul_(2 / 255).sub_(1)
                self.pictures[slot] = stored
        return result

    def get_extra_state(self) -> Tensor:
        """The number of stored images. Not a buffer: it is read each step, and a buffer would move to the GPU."""
        return torch.tensor(self.filled)

    def set_extra_state(self, state: Tensor) -> None:
        self.filled = int(state)
