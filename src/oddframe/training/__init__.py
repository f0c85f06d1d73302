"""From footage to a trained network: settings, the loop over steps, checkpoints, the run folder."""
