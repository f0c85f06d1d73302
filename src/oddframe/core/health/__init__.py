"""The camera's health: whether what it shows can be scored at all."""
