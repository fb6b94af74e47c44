"""What past orders say of running ones: how orders move, how long they stay, how they end, when they arrive.

courses → matrix → absorption, funnel, arrival; `fit` does all of it. Pure, and figures only: an order is
the course it took, without its id, its goods or its buyer.
"""
