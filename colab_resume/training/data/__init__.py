"""Passes over data that can begin at any batch, and the random numbers that they draw."""
