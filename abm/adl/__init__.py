"""Auto-deleveraging: waves, and the six parts that a policy is composed of."""
