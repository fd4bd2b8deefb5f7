"""Numbers by which populations, runs and policies are judged.

Where arXiv 2512.01112 leaves a choice or is at odds with itself, these are ours:

- Both survivor ratios are told and none is a condition. Their quotient is the largest loss
  over the deficit, which no policy moves, so both cannot stay level while crowds grow; and
  a rule that takes little makes both large, so a large ratio alone is no praise. For the
  same reason there is no best ratio to divide by, and no price of anarchy is told.
- No policy leaves a larger survivor than there was before it, whatever the severity; that
  needs no condition, and none is stated.
- Whether fees can pay for deficits is told from deficits and fees alone, with an interval.
  Churn is told beside it. Solvency and fairness together need money from outside where
  deficits exceed fees: covering them from fees leaves the difference.
- The largest of a heavy-tailed sample stays random however large the sample, so ratios are
  told with intervals and medians, never held against a limit; with tail exponents below
  one, as on 10 October 2025, the ratio does not vanish and proves no conflict.
- At one severity and without caps all rules leave the same residual, so what a rule is
  worth to a venue later differs by churn alone, which is simulated as well as expected.
- A trader is counted as rebuilding when it sends an order against the direction of the ADL
  fill, that is, to open again what was closed.
- Backstop providers are no players here. Of the paper's two signs for when one waits, the
  proof's is right: it steps in once waiting is not expected to pay more.
"""
