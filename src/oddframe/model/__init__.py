"""The paper's network in torch: one file per box of its figure, its settings and its state."""
