"""A checkpoint on disk: how state becomes bytes, where they lie, and which of them are kept."""
