"""Mistakes with figures of the past: another shop's orders, wrong shares, a p90 that is none."""

from __future__ import annotations

from typing import Final

from tests.planted.kinds import bug

_API: Final = "tests/analytics/test_analytics_api.py"
_MATRIX: Final = "tests/analytics/test_matrix.py"
_ARRIVAL: Final = "tests/analytics/test_arrival.py"

FIGURES: Final = (
    bug(
        "figures are made of every shop's imported orders",
        "adapters/postgres/queries/analytics.sql",
        "from past_orders where tenant = :tenant\n",
        "from past_orders where :tenant::text is not null\n",
        caught_by=f"{_API}::test_no_figure_is_made_of_another_tenant_s_orders",
    ),
    bug(
        "figures: orders that are still in a state count as if they had ended there",
        "ordersaga/analytics/matrix.py",
        "(ended if course.is_over else still)[visited[-1].state] += 1",
        "ended[visited[-1].state] += 1",
        caught_by=f"{_MATRIX}::test_orders_under_way_say_nothing_of_how_they_end",
    ),
    bug(
        "figures: all orders that ever completed and moved on count as sent back",
        "ordersaga/analytics/matrix.py",
        "known = self.left + self.ended",
        "known = self.left or self.ended",
        caught_by=f"{_MATRIX}::test_most_completed_orders_stay_so_and_some_are_sent_back",
    ),
    bug(
        "figures: an estimate forgets for how long its order has waited already",
        "ordersaga/analytics/arrival.py",
        "            if self.stayed[i] > spent_s:\n"
        "                found.append(self.took[i] - spent_s)\n",
        "            if self.stayed[i] > 0:\n                found.append(self.took[i])\n",
        caught_by=f"{_ARRIVAL}"
        "::test_nine_of_ten_invented_orders_that_were_held_back_arrive_by_their_p90",
    ),
    bug(
        "figures: the p90 is a p80",
        "ordersaga/analytics/arrival.py",
        "p90_s=quantile(left_s, 0.9)",
        "p90_s=quantile(left_s, 0.8)",
        caught_by=f"{_ARRIVAL}"
        "::test_nine_of_ten_invented_orders_that_were_held_back_arrive_by_their_p90",
    ),
    bug(
        "figures: an imported file comes in up to its first bad line",
        "cli/import_.py",
        "    if faults:\n",
        "    if faults and not past:\n",
        caught_by="tests/analytics/test_import.py"
        "::test_a_bad_line_is_named_by_its_number_and_nothing_is_imported",
    ),
)
