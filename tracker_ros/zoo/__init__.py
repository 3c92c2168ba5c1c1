"""The models: which there are, official weights fetched and imported, models taken elsewhere."""
