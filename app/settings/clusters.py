"""Which clusters to watch when none are configured: the kubeconfig's current context, else the one we run
in."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from .model import ClusterSettings

SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
MAX_KUBECONFIG = 10_000_000


def found(
    environ: Mapping[str, str], kubeconfig: Path | None = None, service_account: Path = SERVICE_ACCOUNT
) -> tuple[ClusterSettings, ...]:
    """The cluster kubectl would talk to from here, () if there is none."""
    if name := current_context(kubeconfig_files(environ, kubeconfig)):
        return (ClusterSettings(name=name, kubeconfig=kubeconfig, context=name),)
    if "KUBERNETES_SERVICE_HOST" in environ and (service_account / "token").exists() and not kubeconfig:
        return (ClusterSettings(name="in-cluster", in_cluster=True),)
    return ()


def kubeconfig_files(environ: Mapping[str, str], kubeconfig: Path | None = None) -> list[Path]:
    """The kubeconfig files in force: the one given, else those of KUBECONFIG, else ~/.kube/config."""
    if kubeconfig:
        return [kubeconfig]
    if named := environ.get("KUBECONFIG"):
        return [Path(name).expanduser() for name in named.split(":") if name]
    return [Path("~/.kube/config").expanduser()]


def current_context(files: list[Path]) -> str:
    """The first current-context that any of `files` names; empty when none does or none can be read."""
    for content in _readable(files):
        current = content.get("current-context")
        if isinstance(current, str) and current:
            return current
    return ""


def contexts(files: list[Path]) -> list[str]:
    """Names of all contexts in `files`, in order; files that cannot be read have none."""
    listed = [c for content in _readable(files) for c in content.get("contexts") or () if isinstance(c, dict)]
    return [name for c in listed if isinstance(name := c.get("name"), str)]


def _readable(files: list[Path]) -> Iterator[dict[str, Any]]:
    for file in files:
        try:
            if file.stat().st_size > MAX_KUBECONFIG:
                continue
            content = yaml.safe_load(file.read_bytes())
        except (OSError, yaml.YAMLError, ValueError, RecursionError):
            continue
        if isinstance(content, dict):
            yield content
