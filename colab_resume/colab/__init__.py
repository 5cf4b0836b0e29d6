"""The only place that knows Google Colab."""

__all__: list[str] = []
