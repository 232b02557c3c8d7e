"""Commands that nobody asked for, one in every state that a receipt can be in: for the pattern book.

Each is read by the projection that the receipt's page uses.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import cast

from app.domain.commands import Arguments, Command, CommandPhase, Expected, Verb
from app.domain.history import Transition
from app.domain.people import Principal, PrincipalKind
from app.domain.policy import Blocker
from app.domain.rollout import Phase
from app.engines.acting import Difference, Effect
from app.read.fleet import Fleet
from app.read.landing import AskedCommand, way
from app.read.receipt import ReceiptPage, ReceiptProjection
from app.store.commands import Intended, Kept

from . import specimens

_TAKEN, _SEEN, _LANDED = (timedelta(seconds=s) for s in (1, 2, 38))
_ASKED = timedelta(seconds=52)


def receipts(now: datetime) -> tuple[tuple[str, ReceiptPage], ...]:
    """What each state is called, and its receipt: first how it goes when it goes well, then how else."""
    at, fleet = now - _ASKED, specimens.fleet(now)
    asked, ended = _kept("moves", at), CommandPhase

    def over(phase: CommandPhase, service: str, message: str, *, sent: bool = True) -> AskedCommand:
        taken = at + _TAKEN if sent else None
        kept = _kept(service, at)
        return AskedCommand(replace(kept, phase=phase, message=message, sent_at=taken, ended_at=at + _LANDED))

    def done(service: str, *phases: Phase) -> AskedCommand:
        kept = _kept(service, at)
        kept = replace(kept, phase=ended.DONE, sent_at=at + _TAKEN, ended_at=at + _SEEN)
        moves = [
            Transition(at + after, Phase.IDLE, phase, "b", "1.4.0", None, "")
            for after, phase in zip((_TAKEN, _LANDED), phases, strict=False)
        ]
        return AskedCommand(kept, way(kept, moves))

    moved = Blocker("moved", "Another version was asked for a moment before.", "Open the dialog again.")
    refused = over(ended.REFUSED, "good", "", sent=False)
    states = {
        "Requested": AskedCommand(asked),
        "Being sent": AskedCommand(replace(asked, phase=ended.RUNNING)),
        "Taken": AskedCommand(replace(asked, phase=ended.SENT, sent_at=at + _TAKEN)),
        "Moves": done("moves", Phase.PROGRESSING),
        "Done": done("landed", Phase.PROGRESSING, Phase.IDLE),
        "Stuck": done("fails", Phase.PROGRESSING, Phase.FAILED),
        "Refused": replace(refused, kept=replace(refused.kept, blocked_by=(moved,))),
        "Failed": over(ended.FAILED, "fails", "The cluster took it, and its effect was not seen in time."),
        "Superseded": over(ended.SUPERSEDED, "moves", "1.4.1 was asked for before this was done."),
        "Unknown": over(ended.UNKNOWN, "unseen", "The answer was lost, and so was the look after it."),
    }
    return tuple((name, _page(fleet, each, now)) for name, each in states.items())


def _page(fleet: Fleet, asked: AskedCommand, now: datetime) -> ReceiptPage:
    followed = SimpleNamespace(**vars(fleet), kept=lambda _: SimpleNamespace(value=asked))
    return ReceiptProjection(cast("Fleet", followed), asked.kept.command.id, now).page


def _kept(service: str, at: datetime) -> Kept:
    ref = specimens.ref(service, cluster="west" if service == "unseen" else "east")
    command = Command(
        id="0" * 32,
        verb=Verb.ROLLBACK,
        workload=f"{ref.cluster}:{service}-production",
        ref=ref,
        environment="production",
        arguments=Arguments(revision="b"),
        expected=Expected(),
        reason="Errors since 1.4.1",
        principal="",
        by="Omar",
        key="",
        asked_at=at,
        deadline=at + timedelta(minutes=5),
    )
    image = "registry.example/shop/{}".format
    intended = Intended(
        f"{service} goes back from 1.4.1 to 1.4.0.",
        (),
        (Difference("image of shop", image("shop:1.4.1"), image("shop:1.4.0")),),
        Expected(),
        Effect(origin="c", revision="b"),
    )
    return Kept(command, Principal(PrincipalKind.PERSON, name="Omar"), "", intended)
