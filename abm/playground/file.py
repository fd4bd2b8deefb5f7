"""What the file of a wave may say: accounts, a mark, a deficit, policies of one's own."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Literal

from pydantic import Field, ValidationError

from abm import faults, rules, scenario
from abm.faults import LARGEST, Fault
from abm.fields import Name, NotNegative, Number, Part, Positive, Share, Text

_MOST_ACCOUNTS = 10_000

_KEYS = {"start_usd": "mark_usd", "tick_usd": "tick_usd", "lot": "lot"}


class Holder(Part):
    """One account of the file.

    With a position: `side`, `quantity` and `entry_usd`, and one of `collateral_usd`,
    `equity_usd` and `leverage` (notional over equity at the mark). Without one: two of
    `equity_usd`, `collateral_usd` and `profit_usd`, the third being equity less
    collateral; or `capacity_usd`, a profit with no collateral. Leverage is then 1 unless
    it is given, too.
    """

    account: Text = Field(min_length=1, max_length=24, description="what it is called")
    side: Literal["long", "short"] | None = Field(None, description="of the position")
    quantity: Positive | None = Field(None, description="size of the position")
    entry_usd: Positive | None = Field(None, description="average entry price, USD")
    equity_usd: Number | None = Field(None, description="collateral and profit, USD")
    collateral_usd: NotNegative | None = Field(None, description="cash, USD")
    profit_usd: Number | None = Field(None, description="unrealised profit, USD")
    capacity_usd: NotNegative | None = Field(None, description="profit to give, USD")
    leverage: Positive | None = Field(None, description="notional over equity")
    score: Number | None = Field(
        None, description="place in the given order: highest first"
    )

    def _faults(self) -> Iterable[Fault]:
        given = {
            name for name in type(self).model_fields if getattr(self, name) is not None
        }
        position = {"side", "quantity", "entry_usd"}
        if given & position:
            for name in sorted(position - given):
                yield Fault((name,), "is missing: a position has side, quantity, entry_usd")
            money = given & {"collateral_usd", "equity_usd", "leverage"}
            if len(money) != 1 or given & {"profit_usd", "capacity_usd"}:
                message = (
                    "a position needs exactly one of collateral_usd, equity_usd, leverage"
                )
                yield Fault(("account",), message, self.account)
            return
        money = given & {"equity_usd", "collateral_usd", "profit_usd", "capacity_usd"}
        if money != {"capacity_usd"} and (len(money) != 2 or "capacity_usd" in money):
            message = (
                "needs two of equity_usd, collateral_usd, profit_usd; or capacity_usd; or "
                "a position (side, quantity, entry_usd)"
            )
            yield Fault(("account",), message, self.account)

    @property
    def has_position(self) -> bool:
        """Whether it is given by side, quantity and entry price."""
        return self.quantity is not None


class WaveFile(Part):
    """What the file of a wave may say."""

    title: Text = Field("", max_length=200, description="what it shows")
    source: Text = Field("", max_length=1000, description="where the numbers are from")
    mark_usd: Positive | None = Field(
        None, description="mark price, USD; must be given where there are positions"
    )
    previous_mark_usd: Positive | None = Field(None, description="the mark if left out")
    index_usd: Positive | None = Field(None, description="the mark if left out")
    tick_usd: Positive = Field(0.01, description="price step, USD")
    lot: Positive = Field(0.0001, description="size step")
    deficit_usd: NotNegative = Field(
        0.0, description="missing besides what the accounts owe, USD"
    )
    severity: Share | None = Field(
        None, description="share that this wave asks for; the policy's own if left out"
    )
    policies: dict[Name, rules.Policy] = Field(
        {}, max_length=64, description="policies of one's own"
    )
    accounts: tuple[Holder, ...] = Field(
        min_length=1, max_length=_MOST_ACCOUNTS, description="who there is"
    )

    def _faults(self) -> Iterable[Fault]:
        names: set[str] = set()
        kinds = {holder.has_position for holder in self.accounts}
        for i, holder in enumerate(self.accounts):
            if holder.account in names:
                yield Fault(("accounts", i, "account"), "is there twice", holder.account)
            names.add(holder.account)
            lots = (holder.quantity or 0.0) / self.lot
            if abs(lots - round(lots)) > 1e-6 or (holder.has_position and lots < 0.5):
                message = f"must be a whole number of lots of {self.lot:g}"
                yield Fault(("accounts", i, "quantity"), message, holder.quantity)
        if len(kinds) > 1:
            yield Fault(("accounts",), "must all have positions, or none of them")
        elif kinds == {True} and self.mark_usd is None:
            message = (
                "is missing: positions are worth what the mark says: --set mark_usd=3600, "
                "or a first line `# mark_usd = 3600` (CSV), `mark_usd = 3600` (TOML)"
            )
            yield Fault(("mark_usd",), message)
        market = list(self._faults_of_market())
        yield from market or self._faults_of_size()

    @property
    def mark(self) -> float:
        """The mark, USD; without positions only the accounts' money counts."""
        return 1.0 if self.mark_usd is None else self.mark_usd

    def _faults_of_market(self) -> Iterator[Fault]:
        """What a market of this price, tick and lot is refused for, in the file's keys."""
        unit = self.tick_usd * self.lot * 1e6
        if not 0.5 <= unit <= LARGEST or abs(unit - round(unit)) > 1e-6:
            message = "tick_usd * lot must be a whole number of micro-dollars"
            yield Fault(("lot",), message, self.lot)
            return
        for name in ("mark_usd", "previous_mark_usd", "index_usd"):
            price = self.mark if name == "mark_usd" else getattr(self, name)
            if price is None:
                continue
            told = market_of(self, price)
            try:
                scenario.Scenario.model_validate(told)
            except ValidationError as error:
                for fault in faults.found(scenario.Scenario, error, told):
                    key = _KEYS.get(str(fault.key[-1]), str(fault.key[-1]))
                    yield fault._replace(key=(name if key == "mark_usd" else key,))
                return

    def _faults_of_size(self) -> Iterator[Fault]:
        """Rows that bring the sums of money beyond what is counted exactly."""
        prices = (self.mark, self.previous_mark_usd or 0.0, self.index_usd or 0.0)
        total = self.deficit_usd
        for i, holder in enumerate(self.accounts):
            key, value = "account", 0.0
            if holder.has_position:
                key = "quantity"
                value = (holder.quantity or 0.0) * max(*prices, holder.entry_usd or 0.0)
            money = [
                abs(amount or 0.0)
                for amount in (
                    holder.equity_usd,
                    holder.collateral_usd,
                    holder.profit_usd,
                    holder.capacity_usd,
                )
            ]
            leverage = holder.leverage or 1.0
            if holder.has_position:
                money.append(value / leverage)
            else:
                money.append(2.0 * max(money) * max(leverage, 1.0))
            total += max(value, max(prices) * self.lot) + sum(money)
            if total > LARGEST:
                message = (
                    "is too much: values and money of all accounts up to this one must "
                    f"sum to at most {LARGEST:g} USD".replace("e+", "e")
                )
                given = getattr(holder, key)
                yield Fault(("accounts", i, key), message, given)
                return


def market_of(file: WaveFile, price: float) -> dict[str, Any]:
    """A scenario of one market and so many accounts that the file finds room."""
    return {
        "name": "wave",
        "markets": {"X": {
            "tick_usd": file.tick_usd, "lot": file.lot, "start_usd": price,
            "tiers": [{"notional_usd": 0, "max_leverage": 50}], "depth_usd": 1e4,
            "makers": 1,
        }},
        "population": {"accounts": accounts_of_world(file), "positions": 8},
        "kinds": {"holder": {"share": 1.0}},
    }  # fmt: skip


def accounts_of_world(file: WaveFile) -> int:
    """Accounts in the world: those of the file, and one that owes `deficit_usd`."""
    return max(len(file.accounts) + 1, 8)
