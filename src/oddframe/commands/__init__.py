"""The verbs as the command line offers them: one small function a file, what is heavy is imported inside it."""
