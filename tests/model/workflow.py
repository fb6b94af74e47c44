"""The workflow's moves: what it asks, what it waits for, and where each answer leads."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from tests.model import own_site
from tests.model.state import PARCEL, Op, Point, Scenario, State, put

BOOK: Op = ("book", PARCEL)
RELEASE: Op = ("release", PARCEL)
CANCEL: Op = ("cancel", PARCEL)
FORGETFUL = {"forget-with-the-task", "undo-after-action", "ignore-unclear"}
WITHIN_A_TASK = ("ask", "book", "capture")  # where others are asked local first

Move = tuple[str, State]


def local_step(s: State) -> str:
    """The transaction of our own site that the workflow is about to run; or none."""
    phase, detail, _ = s.at
    if phase == "decide":
        return detail
    return phase if phase in ("hold", "open", "restock") else ""


def run_local(s: State, step: str, plants: frozenset[str]) -> tuple[State, str]:
    """That transaction, by the workflow or by a zombie of it."""
    if step == "hold":
        return own_site.hold(s, plants)
    if step == "open":
        return own_site.open_reversal(s, plants), ""
    if step == "restock":
        return own_site.restock(s, plants), ""
    return own_site.decide(s, step, plants)


class Workflow:
    """The moves that the workflow of one scenario can make."""

    def __init__(self, scenario: Scenario, plants: frozenset[str]) -> None:
        self.scenario = scenario
        self.plants = plants
        self.stages = [
            tuple(op for op in stage if not self._is_skipped(op)) for stage in scenario.stages
        ]
        self.stages = [stage for stage in self.stages if stage]

    def moves(self, s: State) -> Iterator[Move]:
        step = local_step(s)
        if step == "hold" and s.cancel:
            yield "canceled before anything was held", s._replace(at=Point("decide", "undo"))
        if step:
            after, result = run_local(s, step, self.plants)
            yield from self._after_local(after, step, result)
        elif s.at.phase == "stage" and self.stages[s.at.stage][0][0] == "payer":
            yield from self._while_payers_think(s)
        elif s.at.phase == "stage":
            yield from self._in_stage(s)
        else:
            yield from getattr(self, f"_in_{s.at.phase}")(s)
        if s.at != s.saved and self._is_asking_within_a_task(s):
            yield "takes long: goes over to the task queue", s._replace(saved=s.at)
        if s.at != s.saved and s.at.phase == "end":
            yield "the workflow's task completes", self._ended(s)

    def _ended(self, s: State) -> State:
        """What was heard until then is looked at."""
        for i, is_told in enumerate(s.told):
            if is_told:
                s = own_site.examine(s, i, self.plants)
        return s._replace(saved=s.at, told=(False,) * len(s.told))

    def _is_skipped(self, op: Op) -> bool:
        """Stages that a planted mistake leaves out."""
        verb = op[0]
        return (verb == "payer" and "trust-a-hint" in self.plants) or (
            verb == "capture" and "capture-after-decide" in self.plants
        )

    def answer(self, s: State, op: Op) -> str:
        return s.answers[self.scenario.place[op]]

    def _asking(self, s: State, ops: Sequence[Op], at: Point) -> State:
        """Asks for these. Asked by the task queue it is durable, and so is where the workflow was."""
        asked = self._setting(s, ops, "running")._replace(at=at)
        return asked if self._is_within_a_task(ops) else asked._replace(saved=at)

    def _is_within_a_task(self, ops: Sequence[Op]) -> bool:
        return self.scenario.is_local_first and all(verb in WITHIN_A_TASK for verb, _ in ops)

    def _is_asking_within_a_task(self, s: State) -> bool:
        """Of this stage; once it went over to the queue, `saved` is there too."""
        if s.at.phase != "stage" or s.at == s.saved:
            return False
        ops = self.stages[s.at.stage]
        return self._is_within_a_task(ops) and any(self.answer(s, op) == "running" for op in ops)

    def forgotten(self, s: State) -> tuple[State, list[Op]]:
        """Where a crash falls back to, and what was under way that nobody knows of any more."""
        back = s._replace(at=s.saved)
        if not self.scenario.is_local_first or s.saved.phase not in ("hold", "stage"):
            return back, []
        first = 0 if s.saved.phase == "hold" else s.saved.stage + 1
        ops = [op for stage in self.stages[first:] for op in stage]
        under_way = [op for op in ops if self.answer(s, op) == "running"]
        return self._setting(back, ops, "-"), under_way

    def _setting(self, s: State, ops: Sequence[Op], answer: str) -> State:
        answers = s.answers
        for op in ops:
            answers = put(answers, self.scenario.place[op], answer)
        return s._replace(answers=answers)

    def _giving_up(self, s: State, ops: Sequence[Op]) -> Iterator[State]:
        """Stops what is not answered yet. An attempt under way may still arrive."""
        running = [op for op in ops if self.answer(s, op) == "running"]
        for op in running:
            s = s._replace(answers=put(s.answers, self.scenario.place[op], "?"))
        yield s
        if s.delays:
            for op in running:
                for how in ("whole", "request"):
                    yield from delayed(s, op, how)

    # --- Hold and take -----------------------------------------------------------------------------

    def _after_local(self, s: State, step: str, result: str) -> Iterator[Move]:
        name = f"our own site: {step} {result}".rstrip()
        if step == "hold" and result == "yes":
            yield name, self._asking(s, self.stages[0], Point("stage"))
        elif step == "hold":
            yield name, s._replace(at=Point("decide", "undo"))
        elif step == "open":
            refunds = [("refund", i) for i in range(len(self.scenario.payments))]
            yield name, self._asking(s, refunds, Point("refund"))
        elif step == "restock":
            yield name, s._replace(at=Point("end", "reversed"))
        else:
            yield name, s._replace(at=Point("undo" if result == "undo" else "confirmed"))

    def _in_stage(self, s: State) -> Iterator[Move]:
        stage = self.stages[s.at.stage]
        answers = [self.answer(s, op) for op in stage]
        if all(answer == "y" for answer in answers):
            yield self._next_stage(s)
        yield from self._undoing(s, "a no" if "n" in answers else "deadline or cancel")

    def _next_stage(self, s: State) -> Move:
        following = s.at.stage + 1
        if following == len(self.stages):
            return "all yes: decides", s._replace(at=Point("decide", "confirm"))
        there, ops = Point("stage", stage=following), self.stages[following]
        if ops[0][0] == "payer":
            return "waits for payers", self._setting(s, ops, "waiting")._replace(
                at=there, saved=there
            )
        return "all yes: goes on", self._asking(s, ops, there)

    def _undoing(self, s: State, why: str) -> Iterator[Move]:
        stage = self.stages[s.at.stage]
        is_asking = any(self.answer(s, op) == "running" for op in stage)
        is_asking = is_asking and not self._is_asking_within_a_task(s)
        for given_up in self._giving_up(s, stage):
            there = Point("decide", "undo")
            saved = there if is_asking else s.saved
            yield f"{why}: undoes", given_up._replace(at=there, saved=saved)

    # --- Slow money: no polling ------------------------------------------------------------------------

    def _while_payers_think(self, s: State) -> Iterator[Move]:
        """Wakes when it is told, and at the deadline; then the provider is asked."""
        stage = self.stages[s.at.stage]
        answers = [self.answer(s, op) for op in stage]
        waiting = [op for op in stage if self.answer(s, op) in ("waiting", "w")]
        if all(answer == "y" for answer in answers):
            yield self._next_stage(s)
            return
        if "n" in answers or s.cancel:
            yield from self._undoing(s, "a no, or a cancel")
        if "running" in answers:
            yield from self._undoing(s, "the provider is away")
        elif waiting and s.is_last_look:
            yield from self._undoing(s._replace(expired=True), "nobody paid in time")
        elif waiting:
            yield from self._told(s, waiting)
            yield from self._at_deadline(s, waiting)

    def _told(self, s: State, waiting: Sequence[Op]) -> Iterator[Move]:
        for op in waiting:
            if s.told[op[1]]:
                heard = s._replace(told=put(s.told, op[1], False))
                if "believe-a-message" in self.plants:
                    yield f"believes that {op[1]} is paid", self._setting(heard, [op], "y")
                else:
                    yield f"was told of {op[1]}: asks", self._asking(heard, [op], s.at)

    def _at_deadline(self, s: State, waiting: Sequence[Op]) -> Iterator[Move]:
        if "wait-for-the-message-alone" in self.plants:
            return
        over = s._replace(is_last_look=True)
        if "no-last-look" in self.plants:
            yield from self._undoing(over._replace(expired=True), "the deadline")
        else:
            yield "the deadline: looks a last time", self._asking(over, waiting, s.at)

    # --- Undo --------------------------------------------------------------------------------------

    def _is_registered(self, s: State, op: Op) -> bool:
        """What this run of the workflow asked; and what the fence knows that another did."""
        if s.fences[op[1]] != "-" and not self.plants & FORGETFUL:
            return True
        answer = self.answer(s, op)
        if "undo-after-action" in self.plants:
            return answer == "y"
        if "ignore-unclear" in self.plants:
            return answer in ("y", "n")
        return answer != "-"

    def _in_undo(self, s: State) -> Iterator[Move]:
        if s.at.detail == "asked":
            undos = [op for op in self._undos() if self.answer(s, op) != "-"]
            if all(self.answer(s, op) == "y" for op in undos):
                yield "all undone", s._replace(at=Point("end", "undone"))
            return
        payments = range(len(self.scenario.payments))
        if "undo-first-payment-only" in self.plants:
            payments = range(1)
        undos = [("undo", i) for i in payments if self._is_registered(s, ("ask", i))]
        if self._is_registered(s, BOOK):
            undos.append(CANCEL)
        yield "asks for the undos", self._asking(s, undos, Point("undo", "asked"))

    def _undos(self) -> list[Op]:
        return [*(("undo", i) for i in range(len(self.scenario.payments))), CANCEL]

    # --- After confirm -----------------------------------------------------------------------------

    def _in_confirmed(self, s: State) -> Iterator[Move]:
        ops: list[Op] = [RELEASE]
        if "capture-after-decide" in self.plants:
            ops += [("capture", i) for i in self.scenario.of("card")]
        yield "tells the carrier to come", self._asking(s, ops, Point("going"))

    def _in_going(self, s: State) -> Iterator[Move]:
        if s.cancel or self.answer(s, RELEASE) == "n":
            if "refund-first" in self.plants:
                refunds = [("refund", i) for i in range(len(self.scenario.payments))]
                yield "refunds first", self._asking(s, refunds, Point("refunding"))
            else:
                yield "asks the parcel", self._asking(s, [CANCEL], Point("calling"))
        elif s.parcel == "picked":
            yield "the parcel is on its way", s._replace(at=Point("end", "done"))

    def _in_refunding(self, s: State) -> Iterator[Move]:
        refunds = [("refund", i) for i in range(len(self.scenario.payments))]
        if all(self.answer(s, op) == "y" for op in refunds):
            yield "now asks the parcel", self._asking(s, [CANCEL], Point("calling"))

    def _in_calling(self, s: State) -> Iterator[Move]:
        answer = self.answer(s, CANCEL)
        if "promise-before-the-parcel" in self.plants and s.cancel:
            yield "grants the cancel", own_site.grant(s)
        if answer == "y" or (answer == "n" and "reverse-anyway" in self.plants):
            for given_up in self._giving_up(s, [RELEASE]):
                yield "the parcel will not come", given_up._replace(at=Point("open"))
        elif answer == "n":
            place = self.scenario.place[CANCEL]
            refused = s._replace(cancel=False, answers=put(s.answers, place, "-"))
            there = Point("going")
            yield "the cancel is refused", refused._replace(at=there, saved=there)

    def _in_refund(self, s: State) -> Iterator[Move]:
        refunds = [("refund", i) for i in range(len(self.scenario.payments))]
        if all(self.answer(s, op) == "y" for op in refunds):
            yield "all refunded", s._replace(at=Point("restock"))

    def _in_end(self, s: State) -> Iterator[Move]:
        return iter(())


def delayed(s: State, op: Op, how: str) -> Iterator[State]:
    """An attempt that arrives later: all of it, or only its request, its fence having been passed."""
    verb, i = op
    if verb in ("payer", "undo", "refund", "cancel"):
        return
    if how == "request":
        if verb in ("ask", "book"):
            if s.fences[i] not in ("-", "held"):
                return
            s = s._replace(fences=put(s.fences, i, "held"))
    elif verb not in ("ask", "book"):
        return  # nothing of it comes before its request
    yield s._replace(late=tuple(sorted((*s.late, (how, op)))), delays=s.delays - 1)
