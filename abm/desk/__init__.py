"""What a trader sees of a venue, and what it can do there."""
