"""Archives of thousands of recordings: what is to be scored, who scores it, and tables that other programs read."""
