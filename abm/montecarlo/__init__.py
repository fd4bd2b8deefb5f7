"""Many runs: the plan, the pool, the store."""
