"""Numbers in words: how the course's sentences write a share, a factor, a count."""

from math import exp, isfinite, log

import numpy as np


def percent(share: float) -> str:
    """Write a share: "43%", below a tenth with two digits ("2.5%"), near 1 with four ("99.87%")."""
    if not isfinite(share):
        return "no share"
    if share == 0:
        return "0%"
    if 0 < share < 1e-6:
        return "less than 0.0001%"
    if 0.995 < share < 1:
        return f"{100 * share:.4g}%"
    return f"{100 * share:.2g}%" if 0 < share < 0.1 else f"{100 * share:.0f}%"


def number(value: float) -> str:
    """Write a number with three digits, from 100 to 100,000 as a whole one."""
    return f"{value:.0f}" if 100 <= abs(value) < 1e5 else f"{value:.3g}"


def power_of_ten(ln: float) -> str:
    """Write exp(ln) also where float64 cannot hold it: "3.1e-09", "10^-633", "0"."""
    if np.isneginf(ln):
        return "0"
    if not isfinite(ln):
        return "not a finite number"
    exponent = ln / log(10)
    return f"{exp(ln):.2g}" if abs(exponent) < 300 else f"10^{exponent:.0f}"


def factor(ln: float) -> str:
    """Write exp(ln) with three digits where it is a number to read, else as `power_of_ten` does."""
    return f"{exp(ln):.3g}" if abs(ln) < log(1e4) else power_of_ten(ln)


def count(number: int, noun: str) -> str:
    """Write a number of things: "1 layer", "3 layers"."""
    return f"{number} {noun}" + ("" if number == 1 else "s")
