"""Tables of a run folder: their columns, and what they mean."""

from __future__ import annotations

import pyarrow as pa

_KEYS: list[tuple[str, str]] = [("run", "int64"), ("policy", "string")]


def _parts(array: str, names: str) -> list[tuple[str, str]]:
    """Columns that hold an array of int64 a row."""
    return [("_".join(filter(None, (array, name))), "int64[]") for name in names.split()]


def _amounts(names: str) -> list[tuple[str, str]]:
    """Columns of amounts of money, in USD and exactly."""
    kinds = {"usd": "float64", "quanta": "int64"}
    return [(f"{name}_{u}", kind) for name in names.split() for u, kind in kinds.items()]


def _floats(names: str) -> list[tuple[str, str]]:
    """Columns of real numbers."""
    return [(name, "float64") for name in names.split()]


COLUMNS: dict[str, list[tuple[str, str]]] = {
    "runs": [
        *_KEYS,
        ("seed", "int64"),
        ("failed", "bool"),
        ("error", "string"),
        ("deficit_usd", "float64"),
        ("budget_usd", "float64"),
        ("covered_usd", "float64"),
        ("residual_usd", "float64"),
        ("recovered_usd", "float64"),
        ("deficit_quanta", "int64"),
        ("budget_quanta", "int64"),
        ("covered_quanta", "int64"),
        ("residual_quanta", "int64"),
        ("waves", "int64"),
        ("calls", "int64"),
        ("adl_notional_usd", "float64"),
        ("adl_vault_share", "float64"),
        ("adl_short_share", "float64"),
        ("adl_full_close_share", "float64"),
        ("adl_accounts", "int64"),
        ("haircut_usd", "float64"),
        ("largest_haircut_share", "float64"),
        ("largest_equity_share", "float64"),
        ("shared_s", "float64"),
        ("first_takeover_s", "float64"),
        ("first_wave_s", "float64"),
        ("time_to_cover_s", "float64"),
        ("insurance_start_usd", "float64"),
        ("insurance_end_usd", "float64"),
        ("vault_start_usd", "float64"),
        ("vault_end_usd", "float64"),
        ("liquidated_usd", "float64"),
        ("taken_over_usd", "float64"),
        ("socialised_usd", "float64"),
        ("fees_usd", "float64"),
        ("accounts_left", "int64"),
        ("accounts_rebuilt", "int64"),
        ("accounts_leaving", "int64"),
        *_floats("expected_churn lifetime_value_usd value_lost_usd value_left_usd"),
        *_floats("retained_value_usd retained_value_share"),
        *_floats("solvency_recovery_s revenue_recovery_s"),
        *_floats("breach_share unmet_share"),
        ("uncoverable_waves", "int64"),
        *_floats("ptsr pmr ptsr_top pmr_top ptsr_residual pmr_residual"),
        *_floats("ptsr_residual_top pmr_residual_top rd_nse"),
        *_floats("gini order_inversions rank_stability optional_share"),
        *_floats("top_1_share top_10_share top_percent_share"),
        *_floats("least_top_1_share least_top_10_share least_top_percent_share"),
        *_floats("needed_usd tracking_regret_usd fairness_regret_usd regret_usd"),
        *_floats("predict_spearman predict_kendall predict_brier predict_coverage"),
        *_floats("jump_largest_usd jump_moved jump_per_usd jump_typical_per_usd"),
        ("strategy", "string"),
        ("adopters", "float64"),
    ],
    "waves": [
        *_KEYS,
        ("wave", "int64"),
        ("start_s", "float64"),
        ("end_s", "float64"),
        ("calls", "int64"),
        ("deficit_usd", "float64"),
        ("budget_usd", "float64"),
        ("capacity_usd", "float64"),
        ("covered_usd", "float64"),
        ("residual_usd", "float64"),
        ("deficit_quanta", "int64"),
        ("covered_quanta", "int64"),
        ("residual_quanta", "int64"),
        ("severity", "float64"),
        ("acted", "int64"),
        ("withdrawal_cut", "float64"),
        ("touched", "int64"),
        ("eligible", "int64"),
        ("feasible", "bool"),
        ("within_half", "bool"),
        ("uncovered", "int64"),
        ("least_largest_share", "float64"),
        ("least_touched", "int64"),
        ("least_top_1_usd", "float64"),
        ("least_top_10_usd", "float64"),
        ("least_top_percent_usd", "float64"),
        ("granularity_usd", "float64"),
        ("adl_notional_usd", "float64"),
        *_floats("largest_loss_usd time_to_cover_s asked_usd"),
        *_floats("winners_profit_usd winners_equity_usd"),
        ("coverable", "bool"),
        ("solvent", "bool"),
        *_floats("largest_survivor_usd top_survivor_usd"),
        *_floats("ptsr pmr ptsr_top pmr_top ptsr_residual pmr_residual"),
        *_floats("ptsr_residual_top pmr_residual_top rd_nse"),
        ("eligible_accounts", "int64"),
        *_floats("largest_share largest_equity_share largest_asked_share"),
        *_floats("gini order_inversions rank_stability"),
        *_floats("given_usd forced_usd optional_share"),
        *_floats("top_1_usd top_10_usd top_percent_usd"),
        *_floats("needed_usd tracking_regret_usd fairness_regret_usd regret_usd"),
    ],
    "haircuts": [
        *_KEYS,
        ("wave", "int64"),
        ("time_s", "float64"),
        ("account", "int64"),
        ("kind", "string"),
        ("capacity_usd", "float64"),
        ("amount_usd", "float64"),
        ("amount_quanta", "int64"),
        ("share", "float64"),
        ("rank", "int64"),
        ("closed_usd", "float64"),
        ("equity_usd", "float64"),
        ("principal_usd", "float64"),
    ],
    "horizons": [
        *_KEYS,
        ("wave", "int64"),
        *_floats("horizon_s time_s"),
        ("accounts", "int64"),
        *_floats("haircut_usd net_usd needed_usd overshoot_usd"),
        *_floats("tracking_regret_usd fairness_regret_usd regret_usd"),
        ("traders", "int64"),
        *_floats("path_usd path_net_usd repriced_usd repriced_net_usd"),
        *_floats("true_usd true_net_usd gap_usd gap_net_usd"),
    ],
    "adl_fills": [
        *_KEYS,
        ("wave", "int64"),
        ("time_s", "float64"),
        ("market", "string"),
        ("account", "int64"),
        ("kind", "string"),
        ("bankrupt", "int64"),
        ("bankrupt_kind", "string"),
        ("lots", "int64"),
        ("notional_usd", "float64"),
        ("price_usd", "float64"),
        ("mark_usd", "float64"),
        ("previous_mark_usd", "float64"),
        ("entry_usd", "float64"),
        ("profit_usd", "float64"),
        ("full_close", "bool"),
    ],
    "liquidations": [
        *_KEYS,
        ("time_s", "float64"),
        ("account", "int64"),
        ("kind", "string"),
        ("market", "string"),
        ("rung", "string"),
        ("lots", "int64"),
        ("notional_usd", "float64"),
        ("price_usd", "float64"),
        ("mark_usd", "float64"),
        ("shortfall_usd", "float64"),
    ],
    "retention": [
        *_KEYS,
        ("kind", "string"),
        ("size_from_usd", "float64"),
        ("accounts", "int64"),
        ("hit", "int64"),
        ("expected_churn", "float64"),
        ("leaving", "int64"),
        ("left", "int64"),
        ("rebuilt", "int64"),
        ("equity_start_usd", "float64"),
        ("wealth_end_usd", "float64"),
        ("haircut_usd", "float64"),
        ("fees_usd", "float64"),
        ("lifetime_value_usd", "float64"),
        ("value_lost_usd", "float64"),
        ("value_left_usd", "float64"),
    ],
    "episodes": [
        *_KEYS,
        ("episode", "int64"),
        ("seed", "int64"),
        ("start_s", "float64"),
        ("end_s", "float64"),
        ("newcomers", "int64"),
        ("left_before", "int64"),
        ("active", "int64"),
        ("hit", "int64"),
        ("left", "int64"),
        ("leaving", "int64"),
        ("waves", "int64"),
        *_amounts("owed calm_fees to_insurance to_vault newcomers_equity"),
        *_amounts("insurance_start insurance_end vault_start vault_end"),
        *_amounts("carried deficit covered residual haircut fees"),
        *_amounts("equity_start equity_end"),
        ("expected_churn", "float64"),
        ("lifetime_value_start_usd", "float64"),
        ("lifetime_value_usd", "float64"),
        ("retained_value_usd", "float64"),
        ("stayed_value_usd", "float64"),
    ],
    "players": [
        *_KEYS,
        ("strategy", "string"),
        ("adopters", "float64"),
        ("group", "string"),
        ("share", "float64"),
        ("traders", "int64"),
        ("accounts", "int64"),
        *_floats("wealth_start_usd wealth_end_usd outside_money_usd"),
        *_floats("fees_usd slippage_usd volume_usd capacity_usd"),
        *_floats("adl_loss_usd forgone_usd adl_closed_usd"),
        ("touched", "int64"),
        ("liquidated", "int64"),
        ("venue_loss_usd", "float64"),
    ],
    "audit": [
        *_KEYS,
        ("wave", "int64"),
        ("time_s", "float64"),
        *_parts("", "short_account deficit debt_market debt_side"),
        *_parts("bankrupt", "position account market lots cost bankruptcy"),
        ("bankrupt_kind", "string[]"),
        *_parts("candidates", "position account market lots cost cash principal given"),
        *_parts("candidates", "own_maintenance own_initial elsewhere_notional"),
        *_parts("candidates", "elsewhere_net elsewhere_profit elsewhere_maintenance"),
        *_parts("candidates", "elsewhere_initial at_bottom"),
        ("candidates_kind", "string[]"),
        *_parts("", "mark previous_mark index unit open_interest"),
        ("insurance", "int64"),
        ("insurance_peak", "int64"),
        ("is_alarmed", "bool"),
        ("defended", "int64"),
        ("withheld", "int64"),
        ("cash_held", "int64"),
        ("excess_debt", "int64"),
        ("claims", "int64"),
        ("ages_s", "float64[]"),
        ("older_gains", "int64[]"),
        ("acted", "bool"),
        ("stage", "int64"),
        ("theta", "float64"),
        ("budget", "int64"),
        ("need", "int64[]"),
        *_parts("payers", "row group capacity worth tier"),
        ("payers_weight", "float64[]"),
        ("score", "float64[]"),
        ("score_columns", "int64"),
        ("amounts", "int64[]"),
        *_parts("fills", "market account bankrupt lots held value cost collateral"),
        ("fills_bankrupt_kind", "string[]"),
        *_parts("haircuts", "account amount"),
        ("withdrawal_cut", "float64"),
        ("short_before", "int64"),
        ("short_after", "int64"),
        ("carried", "int64"),
    ],
    "paths": [
        *_KEYS,
        ("time_s", "float64"),
        ("market", "string"),
        ("index_usd", "float64"),
        ("mark_usd", "float64"),
        ("bid_usd", "float64"),
        ("ask_usd", "float64"),
        ("bid_depth_usd", "float64"),
        ("ask_depth_usd", "float64"),
        ("open_interest_usd", "float64"),
        ("liquidated_usd", "float64"),
        ("vault_usd", "float64"),
        ("insurance_usd", "float64"),
    ],
    "extremes": [
        *_KEYS,
        ("market", "string"),
        ("deficit_usd", "float64"),
        ("lowest_log_return", "float64"),
        ("lowest_log_return_60s", "float64"),
        ("ordinary_depth_usd", "float64"),
        ("lowest_depth_60s_usd", "float64"),
        ("depth_ratio", "float64"),
        ("largest_open_interest_usd", "float64"),
        ("book_usd", "float64"),
        ("unwind_usd", "float64"),
        ("backstop_usd", "float64"),
        ("insurance_usd", "float64"),
        ("shortfall_usd", "float64"),
        ("vault_used_usd", "float64"),
        ("insurance_used_usd", "float64"),
    ],
    "moments": [*_KEYS, ("moment", "string"), ("value", "float64")],
}
"""Columns of every table; ``[]`` is an array in each row.

`share` of a haircut is the part of capacity that was taken, at most all of it; the largest
haircut of a run is that of profit, the largest equity share that of equity.
`bid_depth_usd` is what rests within 1% of the mark. `severity` of a wave is that of its
first call, `acted` how many of its calls the trigger answered, `withdrawal_cut` the share
of every withdrawal that is withheld after it; the bounds from `feasible` on are those of
`abm.adl.bounds`. Times go on from episode to episode; calm days count in those of recovery
alone. `extremes` are those of `abm.montecarlo.extremes`, written where `outputs.extremes`
asks for them, `moments` those of `abm.measures.moments` and of what traders did after ADL
(`abm.measures.reactions`), written where `outputs.moments` does.

A row of `retention` is the traders of a kind whose equity on arrival was of a class that
begins at `size_from_usd`: how many were hit, are expected to leave by the hazard of
`[retention]`, have made up their minds (`leaving`), have left, have rebuilt. Their
`lifetime_value_usd` is that of what they have at the end and what those who left took out;
`value_lost_usd` goes with the expected churn, `value_left_usd` with those who left or are
leaving. What is retained is the rest after the expected churn. Recovery takes 0 s where
there was nothing to recover from, and is infinite where the run ends before it.

A row of `episodes` is one crash. Before it `left_before` went and newcomers came, and the
fund took over what was `owed`; what was still missing at its start is `carried`, what it
added to that its deficit. Values but the first are those at its end, with what was taken
out during the episode; `stayed_value_usd` is that of those who have not made up their minds
to leave.

The columns `predict_*` of a run are those of `abm.measures.predictability`, empty where
nobody was touched; `jump_*` those of `abm.measures.brittleness`, of the first call of the
first runs (see `abm.montecarlo.foresight`).

A row of `players` is a group of traders: those of a strategy, or all `others`, or the
`makers`; `strategy` says who plays in the run (``honest``: nobody does, the same groups are
measured) and `adopters` what share of the traders who held a position. `share` is that of
the group, `traders` its heads, `accounts` their accounts at the end. Wealth is the equity
of these, each at least nothing, with what was taken out less what was brought in;
`outside_money_usd` the most that strategies had brought in. Fees are all that the accounts
paid; slippage (fills against the mark) and volume those of the strategy's own orders and
moves. `capacity_usd` is the unrealised profit in their positions at the first wave that was
answered, empty without one. ADL took `adl_loss_usd` against the mark or in cash; what it
closed, `adl_closed_usd` at the marks, would have been worth `forgone_usd` more at the end.
`touched` and `liquidated` count traders; `venue_loss_usd` is what the accounts owed when
purses paid, or owe at the end.

A row of `audit` is a call of the policy: `abm.adl.audit` makes the call of it again, and
tells the fields' units."""


def _type(kind: str) -> pa.DataType:
    if kind.endswith("[]"):
        return pa.list_(_type(kind.removesuffix("[]")))
    return pa.type_for_alias(kind)


SCHEMAS = {
    name: pa.schema([(column, _type(kind)) for column, kind in columns])
    for name, columns in COLUMNS.items()
}


def numeric_columns(table: str) -> list[str]:
    """Columns of a table that hold real numbers."""
    return [field.name for field in SCHEMAS[table] if pa.types.is_floating(field.type)]
