"""What `unpersonal init` understands of an input and suspects in it; `understanding` joins it, `printing` prints it."""
