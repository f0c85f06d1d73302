"""Evaluation in numpy, scipy and scikit-learn."""
