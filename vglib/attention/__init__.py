"""Chapter 12: attention, and what keeps or loses the gradient in the nets of today."""
