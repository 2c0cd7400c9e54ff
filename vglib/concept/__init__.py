"""Chapter 01: loss surfaces, learning speed layer by layer, and what it is that fails."""
