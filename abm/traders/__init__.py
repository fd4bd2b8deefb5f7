"""Traders: what they own at the start and what they do."""
