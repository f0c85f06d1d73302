"""A trained model on disk: what it holds and how it is stored in one step."""
