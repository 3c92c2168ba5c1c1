"""Training: data, one recipe per paper, the loop. Needs torch (the `train` extra)."""
