"""Feature extractors, one file per family."""
