"""A Kubernetes API server: bytes out, typed errors, nothing else. The only package that imports `kubernetes`.

`credentials` says who we are, `transport` sends and receives, `answers` reads what a server says of itself.
"""

from __future__ import annotations

from .answers import Access, failure
from .transport import Cluster

__all__ = ["Access", "Cluster", "failure"]
