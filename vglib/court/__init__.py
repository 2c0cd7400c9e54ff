"""Chapter 13: all claims on one page, judged first, and how a ruling turns with the step size."""
