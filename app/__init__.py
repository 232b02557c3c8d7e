"""Shipboard."""
