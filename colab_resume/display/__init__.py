"""What people see: the same status, rendered for whatever is there to render on."""

__all__: list[str] = []
