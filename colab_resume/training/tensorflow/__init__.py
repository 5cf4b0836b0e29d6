"""TensorFlow in a loop of one's own: variables, checkpoints, optimizers, iterators and random numbers.

Nothing here is imported before an object of TensorFlow was handed over.
"""
