"""The zoo: a card (YAML) per model, the files it names, and how they are loaded."""
