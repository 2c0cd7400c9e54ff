"""Stub, solution and planted wrong answers of each exercise of chapter 06."""

import torch

EXERCISES = {
    "guess_explosion": (..., "C", ["A", "B"]),
    "guess_step": (..., "c", ["A", "B"]),
    "rms_backward": (
        lambda grad, z: ...,
        lambda grad, z: (grad - z * (z * grad).sum() / (z * z).sum()) / (z * z).mean().sqrt(),
        [
            lambda grad, z: grad / (z * z).mean().sqrt(),
            lambda grad, z: (
                (grad - grad.mean() - z * (z * grad).sum() / (z * z).sum()) / (z * z).mean().sqrt()
            ),
            lambda grad, z: grad - z * (z * grad).sum() / (z * z).sum(),
        ],
    ),
    "fold": (
        lambda W, b, mean, var, gamma, beta: None,
        lambda W, b, mean, var, gamma, beta: (
            torch.diag(gamma / torch.sqrt(var + 1e-5)) @ W,
            gamma * (b - mean) / torch.sqrt(var + 1e-5) + beta,
        ),
        [
            lambda W, b, mean, var, gamma, beta: (
                (gamma / (var + 1e-5))[:, None] * W,
                gamma * (b - mean) / (var + 1e-5) + beta,
            ),
            lambda W, b, mean, var, gamma, beta: (
                (gamma / (var + 1e-5).sqrt())[:, None] * W,
                b + beta,
            ),
            lambda W, b, mean, var, gamma, beta: gamma / (var + 1e-5).sqrt(),
        ],
    ),
    "settle": (..., 90, [89, 2, 44, 100]),
    "layers_to_thousand": (..., 36.06, [18.03, 72.1, 12.0, 100]),
    "flaw": (..., 3, [1, 2, 4]),
}
