"""Stub, solution and planted wrong answers of each exercise."""

EXERCISES = {
    "guess": (..., "B", ["A", "C"]),
    "leaky_gain": (
        lambda a: ...,
        lambda a: (2 / (1 + a**2)) ** 0.5,
        [lambda a: 2 / (1 + a**2), lambda a: (2 / (1 + a)) ** 0.5, lambda a: 2**0.5],
    ),
    "inner": (
        lambda W, delta, h: None,
        lambda W, delta, h: float((delta * (h @ W.T)).sum()),
        [
            lambda W, delta, h: float((delta.T @ h).sum()),
            lambda W, delta, h: float(W.norm() * (delta.T @ h).norm()),
            lambda W, delta, h: W * (delta.T @ h),
        ],
    ),
    "flaw": (..., 3, [1, 2, 4]),
    "dead": (
        lambda z: ...,
        lambda z: int((z <= 0).all(0).sum()),
        [
            lambda z: int((z <= 0).all(1).sum()),
            lambda z: int((z <= 0).sum()),
            lambda z: int((z < 0).all(0).sum()),
            lambda z: int((z.mean(0) <= 0).sum()),
        ],
    ),
    "born_dead": (
        lambda width, layers: None,
        lambda width, layers: 1 - (1 - 2**-width) ** layers,
        [
            lambda width, layers: 2.0 ** (-width * layers),
            lambda width, layers: layers * 2.0**-width,
        ],
    ),
    "images": (..., 195_000, [97_500, 48_750, 19.5, 10_000]),
}
