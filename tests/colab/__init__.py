"""A Colab on the desk: VMs, their kernels and the browser in front of them, for tests. Begin at `colab.desk`."""
