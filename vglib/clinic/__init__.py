"""The clinic: what is wrong with a network of one's own, and what others' rules say of it."""
