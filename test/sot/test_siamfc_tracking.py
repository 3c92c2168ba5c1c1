"""SiamFC tracks as the port does whose weights it takes. Needs torch.

As for SiamRPN++: slim seeded networks, and the boxes that the port's tracker gave with them.
"""
