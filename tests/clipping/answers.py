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
    "half_life": (..., 6931.0, [69.3, 5000.0, 100.0]),
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
