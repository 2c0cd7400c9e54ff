"""Capsules: vectors that vote for one another, and the gradient through their votes."""

from functools import partial

import torch

from vglib.weather import one_thread


def squash(s: torch.Tensor) -> torch.Tensor:
    """Shorten a capsule's vector to a length below 1: |s|^2/(1 + |s|^2) s/|s|, last axis.

    Source: Sabour, Frosst & Hinton 2017, eq. 1.
    """
    square = (s * s).sum(-1, keepdim=True)
    return s * square.sqrt() / (1 + square)


def route(predictions: torch.Tensor, rounds: int = 3) -> torch.Tensor:
    """Let capsules agree: v_j from predictions u_(j|i), (batch, n_in, n_out, size).

    b = 0; in each round c_ij = softmax_j b_ij, v_j = squash(sum_i c_ij u_(j|i)), b_ij += u . v_j.
    Returns (batch, n_out, size). Source: Sabour, Frosst & Hinton 2017, procedure 1.
    """
    b = torch.zeros_like(predictions[..., 0])
    for _ in range(rounds):
        c = torch.softmax(b, -1).unsqueeze(-1)
        v = squash((c * predictions).sum(1))
        b = b + (predictions * v.unsqueeze(1)).sum(-1)
    return v


def capsule_loss(matrices: torch.Tensor, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """Return the margin loss of one capsule layer: x (batch, n_in, size_in), labels y (batch,).

    u_(j|i) = W_ij x_i; mean over the batch of sum_j T max(0, 0.9 - |v_j|)^2
    + 0.5 (1 - T) max(0, |v_j| - 0.1)^2, T = [j = y]. Source: Sabour, Frosst & Hinton 2017, eq. 4.
    """
    lengths = route(torch.einsum("ijkl,bil->bijk", matrices, x)).norm(dim=-1)
    target = torch.nn.functional.one_hot(y, lengths.shape[1]).to(lengths)
    present = target * torch.relu(0.9 - lengths) ** 2
    absent = 0.5 * (1 - target) * torch.relu(lengths - 0.1) ** 2
    return (present + absent).sum(1).mean()


@one_thread()
def capsule_gradient_error(seed: int = 0) -> float:
    """Return |backprop - central differences| / |central differences| through three rounds.

    6 capsules of 4 numbers to 3 capsules of 5, 8 examples.
    """
    generator = torch.Generator().manual_seed(seed)
    normal = partial(torch.randn, generator=generator, dtype=torch.float64)
    matrices, x = normal(6, 3, 5, 4), normal(8, 6, 4)
    y = torch.randint(3, (8,), generator=generator)
    matrices.requires_grad_()
    (by_backprop,) = torch.autograd.grad(capsule_loss(matrices, x, y), matrices)
    step, flat = 1e-5, matrices.detach().flatten()
    moves = step * torch.eye(len(flat), dtype=torch.float64)
    losses = torch.func.vmap(lambda moved: capsule_loss(moved.reshape(matrices.shape), x, y))
    by_differences = (losses(flat + moves) - losses(flat - moves)) / (2 * step)
    return float((by_backprop.flatten() - by_differences).norm() / by_differences.norm())


@one_thread()
def capsule_training(steps: int = 100, lr: float = 1.0, seed: int = 0) -> tuple[float, float]:
    """Train one capsule layer by backprop on ten clouds of points; accuracy before and after.

    6 capsules of 4 numbers to 10 of 8; an example is its class's centre plus noise of half its
    size; plain gradient descent on 200 examples.
    """
    generator = torch.Generator().manual_seed(seed)
    normal = partial(torch.randn, generator=generator, dtype=torch.float64)
    centres, y = normal(10, 6, 4), torch.arange(200) % 10
    x = centres[y] + 0.5 * normal(200, 6, 4)
    matrices = (0.5 * normal(6, 10, 8, 4)).requires_grad_()

    def accuracy() -> float:
        with torch.no_grad():
            lengths = route(torch.einsum("ijkl,bil->bijk", matrices, x)).norm(dim=-1)
        return float((lengths.argmax(1) == y).double().mean())

    before = accuracy()
    for _ in range(steps):
        (gradient,) = torch.autograd.grad(capsule_loss(matrices, x, y), matrices)
        with torch.no_grad():
            matrices -= lr * gradient
    return before, accuracy()
