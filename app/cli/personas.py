"""The three ready-made people of the demo, one click to be each, and the rules they and its CI work by."""

from __future__ import annotations

from typing import Any

from app.domain.delivery import Approvals, Delivery, Rules
from app.domain.evidence import Severity
from app.domain.freezes import Freeze, Window
from app.domain.grants import Grant
from app.domain.people import Role
from app.domain.signing import SigningKey, SigningRule
from app.settings import AuthSettings, Mode, Persona


def _persona(subject: str, name: str, does: str, *roles: Role) -> Persona:
    return Persona(subject, name, does, tuple(Grant(role, people=(f"demo:{subject}",)) for role in roles))


DEMO_AUTH = AuthSettings(
    modes=(Mode.DEMO,),
    anonymous=True,
    idle_minutes=1440,
    hours=168,
    personas=(
        _persona("vera", "Vera", "looks on", Role.VIEWER),
        _persona("omar", "Omar", "moves rollouts", Role.VIEWER, Role.OPERATOR),
        _persona("ada", "Ada", "approves, and administers", *Role),
    ),
)
"""Opening the board shows it; acting takes being somebody."""

DEMO_DELIVERY = Delivery(
    rules={
        "staging": Rules("staging", approvals=(), four_eyes=False, only_by_gate=False),
        "production": Rules(
            "production",
            ci=True,
            tests=True,
            scan=Severity.CRITICAL,
            approvals=(Approvals(1),),
            four_eyes=False,
            only_by_gate=False,
        ),
    },
    freezes=(
        Freeze(
            "payments-weekend",
            "nobody of Payments is there over the weekend",
            "production",
            "payments-*",
            Window.parse("Fri 15:00 - Mon 08:00", "Europe/Berlin"),
        ),
    ),
)
"""Production takes a decision, for what waits there and for what is good in staging: on builds that passed their tests,
and on images without a critical finding."""

DEMO: dict[str, Any] = {
    "auth": DEMO_AUTH,
    "delivery": DEMO_DELIVERY,
    "scan_threshold": "critical",
}
"""Settings of the demo."""


def signing() -> tuple[str, tuple[SigningRule, ...]]:
    """A key made now, for the demo's CI to sign its images with (PEM), and the rules that trust it."""
    from cryptography.hazmat.primitives import serialization as form
    from cryptography.hazmat.primitives.asymmetric import ec

    private = ec.generate_private_key(ec.SECP256R1())
    public = private.public_key().public_bytes(form.Encoding.PEM, form.PublicFormat.SubjectPublicKeyInfo)
    keys = (SigningKey("demo-ci", public.decode()),)
    wanted = SigningRule("github.com/acme/identity", wanted=True, keys=keys)
    secret = private.private_bytes(form.Encoding.PEM, form.PrivateFormat.PKCS8, form.NoEncryption()).decode()
    return secret, (wanted, SigningRule("github.com/acme/*", keys=keys))
