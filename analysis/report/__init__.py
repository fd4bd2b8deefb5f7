"""The report of a batch, or of two: a page in HTML, and every table as CSV beside it."""
