"""Reports for people to read: a title, then one fact a line."""

from __future__ import annotations

from collections.abc import Iterable


def layout(title: str, facts: Iterable[tuple[str, object]]) -> str:
    """The title and a line "  name  value" for each fact; those that are None are left out."""
    lines = (f"  {name:<18} {value}" for name, value in facts if value is not None)
    return "\n".join([title, *lines])
