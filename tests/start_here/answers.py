"""Stub, solution and planted wrong answers of each exercise."""

EXERCISES = {
    "guess": (..., "C", ["A", "B"]),
    "share": (
        lambda r, depth: ...,
        lambda r, depth: r ** (depth - 1),
        [lambda r, depth: r**depth, lambda r, depth: 1 - r * (depth - 1)],
    ),
    "verdict": (
        lambda first, last: None,
        lambda f, s: "vanishes" if f / s < 0.01 else "explodes" if f / s > 100 else "holds",
        [
            lambda f, s: "vanishes" if f < 0.01 else "explodes" if f > 100 else "holds",
            lambda f, s: "explodes" if f / s < 0.01 else "vanishes" if f / s > 100 else "holds",
        ],
    ),
    "relu_scale": (..., 2**0.5, [1.0, 2.0, 7]),
    "tanh_scale": (..., 1, [5 / 3, 2.0]),
    "sigmoid_scale": (..., 10.2, [4, 1.0]),
    "flaw": (..., 2, [1, 3]),
}
