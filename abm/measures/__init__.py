"""Numbers by which populations, runs and policies are judged."""
