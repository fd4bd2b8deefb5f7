"""Allocation rules: pure functions of arrays that share a budget among payers.

A rule is ``rule(capacity, <arrays of its own>, budget, *, parameters)``. Capacities are
int64 (quanta or lots), arrays of its own float64, the budget a whole number. It gives
int64 amounts with ``0 <= x <= capacity`` and ``sum(x) = min(budget, sum(capacity))``
exactly, whatever the sizes, as long as the capacities sum to less than 2**63. What
cannot be shared in whole units goes to the largest remainders, ties to the earlier row.

`queue` takes payers one after the other; `proportional`, `levelling`, `leverage`,
`convex`, `projection` and `minmax` share among all; `mixing` makes rules from rules;
`rounding` turns real amounts into whole ones; `weights` turns leverage into risk.
`selection` and `filling` hold the compiled loops that they stand on.
"""
