"""Every state that the protocol can reach, breadth first; what is wrong in one, and the way there."""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from dataclasses import dataclass

from tests.model.outside import outside, whole
from tests.model.remote import attempt, request
from tests.model.state import PART, WHOLE, Budget, Scenario, State, put
from tests.model.workflow import Move, Workflow, delayed, local_step, run_local

CUSTOMER = "the customer cancels"


@dataclass(frozen=True)
class Result:
    """What was found. `violation`: none, or the first in breadth; `trace`: the shortest way there."""

    states: int
    moves: int
    violation: str | None
    trace: tuple[str, ...]


def explore(scenario: Scenario, budget: Budget, plants: frozenset[str] = frozenset()) -> Result:
    """Looks at every state until one is wrong; then whether each can still come to an end."""
    workflow = Workflow(scenario, plants)
    todo = scenario.begin(budget)
    known = {state: number for number, state in enumerate(todo)}
    parents = array("q", [-1] * len(todo))
    sources, targets = array("q"), array("q")
    number = 0
    while number < len(todo):
        state = todo[number]
        violation = what_is_wrong(state)
        if violation:
            return _found(violation, number, todo, parents, workflow, len(sources))
        for label, after in moves(state, workflow):
            place = known.get(after)
            if place is None:
                place = known[after] = len(todo)
                todo.append(after)
                parents.append(number)
            if label != CUSTOMER:  # no order may need its customer's cancel to end
                sources.append(number)
                targets.append(place)
        number += 1
    stuck = _cannot_end(todo, sources, targets)
    if stuck >= 0:
        return _found("it can never end", stuck, todo, parents, workflow, len(sources))
    return Result(len(todo), len(sources), None, ())


def _found(
    violation: str,
    number: int,
    todo: list[State],
    parents: array[int],
    workflow: Workflow,
    edges: int,
) -> Result:
    trace: list[str] = []
    while parents[number] >= 0:
        parent = parents[number]
        state, after = todo[parent], todo[number]
        trace.append(next(label for label, to in moves(state, workflow) if to == after))
        number = parent
    return Result(len(todo), edges, violation, tuple(reversed(trace)))


def _cannot_end(todo: list[State], sources: array[int], targets: array[int]) -> int:
    """A state from which no end can be reached any more; -1 where there is none."""
    ends = bytearray(is_quiet(state) for state in todo)
    changed = True
    while changed:  # edges are nearly in order: backwards it takes few rounds
        changed = False
        for edge in range(len(sources) - 1, -1, -1):
            if ends[targets[edge]] and not ends[sources[edge]]:
                ends[sources[edge]] = 1
                changed = True
    return ends.find(0)


def moves(s: State, workflow: Workflow) -> Iterator[Move]:
    """Everything that can happen next, with its name."""
    if s.saved.phase != "end":
        yield from workflow.moves(s)
        yield from _crash(s, workflow)
        if s.cancels:
            early = s.early or s.decision == "-"
            yield CUSTOMER, s._replace(cancels=s.cancels - 1, cancel=True, early=early)
        yield from _attempts(s, workflow)
    yield from _arrivals(s, workflow)
    yield from outside(s, workflow.scenario, workflow.plants)


def _attempts(s: State, workflow: Workflow) -> Iterator[Move]:
    scenario = workflow.scenario
    for place, op in enumerate(scenario.ops):
        if s.answers[place] != "running":
            continue
        name = f"{op[0]} {op[1] if op[1] >= 0 else 'parcel'}"
        for answer, after, unwritten in attempt(s, op, scenario, workflow.plants):
            yield f"{name}: {answer}", after._replace(answers=put(s.answers, place, answer))
            for lost in {after, unwritten} - {s}:
                yield f"{name}: {answer}, and the answer is lost", lost
        if s.delays:
            for how in ("whole", "request"):
                for late in delayed(s, op, how):
                    yield f"{name}: delayed ({how}), and tried again", late


def _arrivals(s: State, workflow: Workflow) -> Iterator[Move]:
    for place, (how, op) in enumerate(s.late):
        rest = s._replace(late=s.late[:place] + s.late[place + 1 :])
        if how == "whole":
            for outcome in attempt(rest, op, workflow.scenario, workflow.plants):
                yield f"late {op}: {outcome.answer}", outcome.after
        else:
            for answer, after in request(rest, op, workflow.scenario, workflow.plants):
                yield f"late request {op}: {answer}", after
    for place, step in enumerate(s.zombies):
        rest = s._replace(zombies=s.zombies[:place] + s.zombies[place + 1 :])
        yield f"a zombie runs {step}", run_local(rest, step, workflow.plants)[0]


def _crash(s: State, workflow: Workflow) -> Iterator[Move]:
    """The worker dies: what was not saved is forgotten; what was under way may yet arrive."""
    step = local_step(s)
    if s.crashes and (s.at != s.saved or step):
        back, under_way = workflow.forgotten(s._replace(crashes=s.crashes - 1))
        yield "CRASH", back
        if s.delays:
            for op in under_way:
                for how in ("whole", "request"):
                    for late in delayed(back, op, how):
                        yield f"CRASH, {op} under way ({how})", late
        if step:
            yield (
                f"CRASH, {step} under way",
                back._replace(zombies=tuple(sorted((*s.zombies, step)))),
            )


# --- What must never be --------------------------------------------------------------------------


def is_quiet(s: State) -> bool:
    rows = {*s.part, *s.too_late}
    is_still = not s.late and not s.zombies and set(s.mail) == {"-"}
    return s.saved.phase == "end" and is_still and not rows & {"open", "sent"}


def what_is_wrong(s: State) -> str | None:
    """The invariant that this state breaks; none, if it is right."""
    if max(s.takes) > 1:
        return "a payment was taken twice"
    for back, money in zip(s.back, s.money, strict=True):
        if back > (WHOLE if money == "taken" else 0):
            return "more went back than came"
    if s.on_hand != s.available + s.reserved or not 0 <= s.on_hand <= s.stocked or s.reserved < 0:
        return "stock is not conserved"
    is_ours = all(whole(s, i) for i in range(len(s.money)))
    if s.parcel == "picked" and not is_ours:
        return "the parcel is on its way, and its money is not ours"
    if s.decision == "confirm" and s.parcel not in ("canceled", "dead") and not is_ours:
        return "confirmed and not given back, and not all of the money is ours"
    if s.decision == "confirm" and s.early:
        return "a cancel was stored before the decision, and it says confirm"
    return _wrong_at_the_end(s, is_ours=is_ours) if is_quiet(s) else None


def _wrong_at_the_end(s: State, *, is_ours: bool) -> str | None:
    how = s.saved.detail
    if how == "done":
        if s.promised:
            return "a cancel was granted, and the order completed"
        is_sold = s.on_hand == s.stocked - 1 and not s.reserved
        refunded = tuple(PART if row == "done" else 0 for row in s.part)
        is_all = is_sold and is_ours and s.back == refunded
        return None if is_all else "completed, and not all of it"
    if how == "undone" and s.expired and all(s.in_time):
        return "paid in time, and undone because nobody paid"
    if s.on_hand != s.stocked or s.reserved:
        return f"{how}, and the stock is not back"
    if any(m == "taken" and b < WHOLE for m, b in zip(s.money, s.back, strict=True)):
        return f"{how}, and money is still kept"
    if "held" in s.money:
        return f"{how}, and money is still held"
    if "wait" in s.money:
        return f"{how}, and a slip can still be paid"
    if s.parcel not in ("none", "canceled", "dead"):
        return f"{how}, and the parcel is {s.parcel}"
    wanted = "undo" if how == "undone" else "confirm"
    return None if s.decision == wanted else f"{how}, and the decision says {s.decision}"
