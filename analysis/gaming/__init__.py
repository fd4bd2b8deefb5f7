"""What a contest found: gains, costs, harm, verdicts, and how far strategies spread."""
