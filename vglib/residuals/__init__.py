"""Chapter 07, residual nets: what a skip keeps, what it lets grow, and the scale that cures it."""
