"""The chapters as a reader has them: copies of what is published, wherever the package is."""
