"""The training loop's side: what is tracked, where the training is, when and how its state is captured."""

__all__: list[str] = []
