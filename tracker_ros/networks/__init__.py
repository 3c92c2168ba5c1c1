"""The networks in PyTorch, one file per paper plus the parts they share. Needs torch."""
