"""The market: index prices, the order book, marks, and market makers."""
