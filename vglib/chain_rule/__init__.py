"""Chapter 02, the chain rule: factors, products, Jacobians, and what backpropagation costs."""
