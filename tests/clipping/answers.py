"""Stubs, solutions and planted wrong answers of chapter 09's exercises."""

import numpy as np

EXERCISES = {
    "guess_cliff": (..., "C", ["A", "B"]),
    "guess_decay": (..., "c", ["A", "B"]),
    "clip": (
        lambda g, c: ...,
        lambda g, c: g if np.linalg.norm(g) <= c else g * c / np.linalg.norm(g),
        [
            lambda g, c: np.clip(g, -c, c),
            lambda g, c: g * c / max(np.linalg.norm(g), 1e-300),
            lambda g, c: g * min(1.0, c / np.abs(g).sum()) if g.any() else g,
        ],
    ),
    "clip_whole": (
        lambda norms, c: None,
        lambda norms, c: [n * min(1.0, c / np.linalg.norm(norms)) for n in norms],
        [
            lambda norms, c: [min(n, c) for n in norms],
            lambda norms, c: [n * min(1.0, c / sum(norms)) for n in norms],
            lambda norms, c: [n * c / np.linalg.norm(norms) for n in norms],
        ],
    ),
    "guess_step": (..., "C", ["A", "B"]),
    "adaptive_clip": (
        lambda w, g, c: ...,
        lambda w, g, c: np.array(
            [
                b * min(1, c * max(np.linalg.norm(a), 1e-3) / max(np.linalg.norm(b), 1e-300))
                for a, b in zip(w, g, strict=True)
            ]
        ),
        [
            lambda w, g, c: g * min(1, c * np.linalg.norm(w) / max(np.linalg.norm(g), 1e-300)),
            lambda w, g, c: np.clip(g, -c, c),
            lambda w, g, c: (
                g
                * c
                * np.linalg.norm(w, axis=1)[:, None]
                / np.maximum(np.linalg.norm(g, axis=1), 1e-300)[:, None]
            ),
        ],
    ),
    "soft": (
        lambda goal, a, strength: ...,
        lambda goal, a, strength: np.sign(goal) * max(abs(goal) - strength / a, 0.0),
        [
            lambda goal, a, strength: a * goal / (a + strength),
            lambda goal, a, strength: goal - strength / a,
            lambda goal, a, strength: np.sign(goal) * max(abs(goal) - strength, 0.0),
            # The right shift with the wrong threshold.
            lambda goal, a, strength: (
                0.0 if abs(goal) <= strength else goal - np.sign(goal) * strength / a
            ),
            lambda goal, a, strength: (
                0.0 if abs(goal) <= min(strength, 1) else goal - np.sign(goal) * strength / a
            ),
            lambda goal, a, strength: (
                0.0 if abs(goal) <= strength**2 else goal - np.sign(goal) * strength / a
            ),
        ],
    ),
    "flaw": (..., 4, [1, 2, 3]),
}
