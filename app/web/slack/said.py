"""What is said to Slack: who waits for what, one gate with its rules, and what came of an answer. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from app.domain.errors import ShipboardError
from app.domain.gates import Gate, GatePhase
from app.domain.names import cut
from app.domain.policy import Blocker
from app.domain.rulings import Ruling
from app.sources.targets.slack import Block, buttons, escaped, linked, section

MOST = 15
HELP = (
    "`/deploy gates` shows what waits for a decision.\n"
    "`/deploy show ID` shows a gate, with buttons; the beginning of its id will do.\n"
    "`/deploy approve ID` shows it, to be approved on the evidence you see.\n"
    "`/deploy reject ID because …` says no."
)
Said = dict[str, Any]


def private(text: str, *blocks: Block) -> Said:
    """For the eyes of who asked alone. `text` is escaped already."""
    shown: Said = {"blocks": [section(text), *blocks]} if blocks else {}
    return {"response_type": "ephemeral", "replace_original": False, "text": text, **shown}


def unknown(user: str, workspace: str) -> Said:
    """Nobody here is known by that id."""
    entry = f'{{ user: {user}, identity: "local:NAME" }}'
    return private(
        f"Shipboard does not know who you are here. Whoever runs it adds this to `people` of `{workspace}` "
        f"in `notify.slack`:\n`{escaped(entry)}`"
    )


def failed(error: ShipboardError, url: str = "") -> Said:
    """Why it is not so."""
    more = f"\n{linked(url, 'Open the gate')}" if url else ""
    return private(f"{escaped(str(error))}{more}")


def waiting(gates: Sequence[Gate], base: str) -> Said:
    """What waits, oldest first."""
    if not gates:
        return private("Nothing waits for a decision.")
    lines = [
        f"`{gate.id[:6]}`  {linked(f'{base}/gates/{gate.id}', f'{gate.subject.service}: {gate.subject.question}')}"
        for gate in gates[:MOST]
    ]
    if len(gates) > MOST:
        lines.append(f"And {len(gates) - MOST} more: {linked(f'{base}/gates', 'all of them')}")
    many = "One gate waits" if len(gates) == 1 else f"{len(gates)} gates wait"
    return private("\n".join((f"*{many} for a decision.*", *lines)))


def shown(
    gate: Gate, found: Sequence[Ruling], blocked: Sequence[Blocker], base: str, note: str = ""
) -> list[Block]:
    """A gate as blocks: what is asked, every rule, what was said last (`note`, escaped), and the buttons while it is
    open. Where somebody alone sees it, `blocked` is why they have none to approve."""
    s, url = gate.subject, f"{base}/gates/{gate.id}"
    step = " → ".join(escaped(name) for name in (s.before.name, s.after.name) if name)
    head = f"*{linked(url, f'{s.service}: {s.question}')}*" + (f"\n{step}" if step else "")
    blocks = [section(head)]
    if gate.phase is GatePhase.OPEN and found:
        rules = (f"{'✓' if r.met else '✗'} {escaped(r.name)}: {escaped(r.said)}" for r in found)
        blocks.append(section("\n".join(rules)))
    said = [note] if note else []
    said += [escaped(f"{b.message} {b.clears}".strip()) for b in blocked]
    if gate.phase is not GatePhase.OPEN:
        said.append(escaped(ended(gate)))
    if said:
        blocks.append(section("\n".join(said)))
    if gate.phase is GatePhase.OPEN and not blocked:
        blocks.append(buttons(gate.id, gate.digest, s.after.name, url))
    return blocks


def ended(gate: Gate) -> str:
    """How it was answered."""
    decision = gate.decision
    if decision is None:
        return f"It is {gate.phase.value}. {gate.message}".strip()
    word = "approved" if decision.phase is GatePhase.APPROVED else decision.phase.value
    why = f": {decision.reason}" if decision.reason else "."
    return f"{word.capitalize()} by {decision.by or 'a rule'}{why}"


def dialog(gate: str, digest: str) -> Block:
    """Asks why, on the evidence that was shown."""

    def plain(text: str) -> Block:
        return {"type": "plain_text", "text": text}

    field = {"type": "plain_text_input", "action_id": "why", "multiline": True, "max_length": 500}
    return {
        "type": "modal",
        "private_metadata": f"{gate}:{digest}",
        "title": plain("Reject"),
        "submit": plain("Reject"),
        "close": plain("Cancel"),
        "blocks": [
            {"type": "input", "block_id": "why", "label": plain("Why? Everyone sees it."), "element": field}
        ],
    }


DONE: Said = {"response_action": "clear"}
"""Closes a dialog."""


def wrong(text: str) -> Said:
    """Why a dialog was not taken; plain text."""
    return {"response_action": "errors", "errors": {"why": cut(text, 300)}}


def instead(blocks: list[Block], text: str) -> Said:
    """In place of the message with the button."""
    return {"replace_original": True, "text": text, "blocks": blocks}
