"""Data sets as they lie on disk: how they are declared, one reader a format, the check of all.

Readers give records (records.py): where each picture is, which boxes it has, and the line that
says so. survey.py checks them; tracker_ros.training.pictures makes a collection of what is kept.
"""
