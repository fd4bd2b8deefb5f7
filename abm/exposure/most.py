"""The most that a policy may take of an account, told from its parts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from abm.adl.answers import Answer
from abm.adl.eligibility.by_account import Accounts
from abm.adl.eligibility.by_position import Holders, Positions
from abm.adl.policy import Policy


def stated_most(policy: Policy, answers: Mapping[str, Answer]) -> str:
    """The most that a policy may take of an account, in words, from its parts.

    What its eligibility and settlement promise whatever happens; caps within the
    allocation can only make it less.

    Parameters
    ----------
    policy : Policy
    answers : mapping
        Its six answers (see `abm.engine.policy_table`).
    """
    if answers["trigger"] == "never":
        return "nothing: it is never called"
    medium, who = policy.settlement.medium, policy.eligibility
    if medium == "withdrawals":
        return "nothing in a wave; a share of what is withdrawn"
    if medium == "contracts":
        what = "all of its contracts" + _capped(who)
        if not isinstance(who, Positions):
            return what
        if who.profit == "settlement":
            return f"{what}, at a loss to the mark of at most its profit"
        if who.health == "any":
            return f"{what}, at whatever price the settlement makes"
        return f"{what}, at a loss to the mark of at most its equity"
    if isinstance(who, Holders):
        return "each position's part of its equity"
    if isinstance(who, Accounts):
        return _OF_CAPACITY[who.capacity] + _capped(who)
    return "what its eligibility says"


_OF_CAPACITY = {
    "profit": "all of its unrealised profit",
    "equity": "all of its equity",
    "min": "the lesser of its profit and its equity",
    "above-buffer": "its equity above its margin",
}


def _capped(who: Any) -> str:
    caps = getattr(who, "caps", None)
    if caps is None or not (caps.in_wave or caps.in_run):
        return ""
    return ", up to the caps of the rule"
