"""What every room may import, and which imports none of them: how its values are made."""
