"""Chapter 05, initialisation: Glorot, He, mean field, isometry, finite width, overflow."""
