"""The venue: ledger, margin, liquidation, funding."""
