"""What ADL could do to an account that is about to be opened."""
