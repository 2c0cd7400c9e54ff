"""Chapter 09, clipping and regularisation: what each limits, and what it leaves as it was."""
