"""Settings: one optional YAML file, a few SHIPBOARD_* variables and the command line, in one frozen value.

The command line wins over the environment, the environment over the file, the file over the defaults.
Whatever is wrong is refused as a whole, with every mistake named at its line; nothing is guessed.
"""

from __future__ import annotations

from .auth import AuthSettings, Mode, OidcSettings, Persona, ProxySettings, Secret
from .gates import GateSettings
from .hooks import HookSettings, PollSettings
from .load import load
from .model import ClusterSettings, Settings
from .notify import NotifySettings, TargetSettings
from .problems import Problem, SettingsRefused
from .secret_places import SecretPlace
from .shape import VARIABLES
from .slack import SlackPerson, SlackSettings

__all__ = [
    "VARIABLES",
    "AuthSettings",
    "ClusterSettings",
    "GateSettings",
    "HookSettings",
    "Mode",
    "NotifySettings",
    "OidcSettings",
    "Persona",
    "PollSettings",
    "Problem",
    "ProxySettings",
    "Secret",
    "SecretPlace",
    "Settings",
    "SettingsRefused",
    "SlackPerson",
    "SlackSettings",
    "TargetSettings",
    "load",
]
