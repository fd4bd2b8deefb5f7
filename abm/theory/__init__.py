"""What the theory of ADL predicts, held against this project's own rules.

Each hypothesis is a module of its own, `h01_...` to `h14_...`: its docstring has the
claim, its source, the prediction and how it is tested, and its ``examine(effort, market)``
gives the evidence. `counterexamples` are claims that are wrong as they were published.
`books` generates books of winners and losers, `market` takes the waves of a recorded
batch, `finding` says when a prediction holds, and `running` does all of it.
"""
