"""What traders do about an ADL rule, and what comes of it."""
