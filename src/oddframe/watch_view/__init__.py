"""How `oddframe watch` looks in a terminal."""
