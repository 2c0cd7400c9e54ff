"""Chapter 04, the ReLU family: why the slope is 1 and the gain is not, and what dies of it."""
