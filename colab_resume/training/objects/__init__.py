"""How each kind of tracked object gives its state and takes it back."""
