"""Chapter 03, sigmoid's three flaws: the positive mean, saturation, and the cost of exp."""
