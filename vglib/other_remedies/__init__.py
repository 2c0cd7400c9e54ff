"""Chapter 10, the other remedies: pretraining, optimisers, and all measures in one tournament."""
