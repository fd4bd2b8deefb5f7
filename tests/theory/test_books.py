"""Generated books, and the surveys that hypotheses share."""

from __future__ import annotations

import numpy as np
import pytest

from abm.measures import fairness
from abm.theory import books
from abm.theory.finding import Effort

SMALL = Effort(books=30, largest=2_000)


def test_draws_have_the_tail_that_they_are_asked_for():
    drawn = books.pareto(np.random.default_rng(1), 2.0, 200_000)
    assert drawn.min() >= 1.0
    # The share above 10 is 10 ** -2, within five standard errors.
    assert (drawn > 10.0).mean() == pytest.approx(0.01, abs=5 * np.sqrt(0.01 / 200_000))
    assert drawn[drawn < 100.0].mean() == pytest.approx(
        (2.0 - 2.0 / 100.0) / (1.0 - 1e-4), rel=0.02
    )


def test_the_largest_of_many_has_the_expected_logarithm():
    # E[log max of k] is the harmonic number of k over alpha, exactly.
    rng = np.random.default_rng(2)
    tops = [np.log(books.pareto(rng, 1.5, 50).max()) for _ in range(2_000)]
    harmonic = (1.0 / np.arange(1, 51)).sum()
    spread = np.pi / np.sqrt(6.0) / 1.5 / np.sqrt(2_000)
    assert np.mean(tops) == pytest.approx(harmonic / 1.5, abs=5 * spread)


def test_no_draw_leaves_the_range_of_the_ledger():
    drawn = books.pareto(np.random.default_rng(3), 0.05, 10_000)
    assert books.in_quanta(drawn).max() == 10**18


def test_a_survey_is_what_it_says_on_every_book():
    found = books.survey(SMALL, 1.5, 3.0)
    assert found.sizes.tolist() == [200, 630, 2_000]
    assert (np.diff(found.deficit, axis=1) > 0).all()
    assert found.raised == pytest.approx(
        np.minimum(books.THETA * found.deficit, found.profits), abs=2e-6
    )
    even = found.largest * (1.0 - found.raised / found.profits)
    assert found.survivor[books.PRO_RATA] == pytest.approx(even, abs=2e-6)
    for rule in books.RULES:
        assert (found.survivor[books.LEVELLING] <= found.survivor[rule] + 2e-6).all()


def test_ptsr_over_pmr_is_the_largest_loss_over_the_deficit_whatever_the_rule():
    found = books.survey(SMALL, 1.5, 3.0)
    for rule in (books.PRO_RATA, books.BY_LOT, books.LEVELLING):
        ratio = found.ptsr(rule) / found.pmr(rule)
        assert ratio == pytest.approx(found.largest_loss / found.deficit)


def test_without_a_rule_the_ratio_is_that_of_the_untouched():
    found = books.survey(SMALL, 1.5, 3.0)
    theta = found.raised[0, 0] / found.deficit[0, 0]
    wanted = fairness.ptsr(found.largest[0, 0], found.deficit[0, 0], theta)
    assert found.ptsr()[0, 0] == pytest.approx(wanted)
