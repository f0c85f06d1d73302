"""The paper's network in torch: one file per box of its figure, and the settings that build it."""
