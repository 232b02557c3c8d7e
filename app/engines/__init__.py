"""How each rollout engine is read and driven. Pure; knows Kubernetes shapes, not the Kubernetes client."""
