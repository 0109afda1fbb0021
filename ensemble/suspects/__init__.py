"""Labels that are probably wrong: found beside a model of the reader's errors, shown, and decided about."""
