"""Chapter 00, start here: the gradient-flow lab and the game of the right scale."""
