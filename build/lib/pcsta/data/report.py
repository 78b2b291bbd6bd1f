"""Reports for people to read: a title, then one fact a line."""

from __future__ import annotations

from collections.abc import Iterable, Mapping


def layout(title: str, facts: Iterable[tuple[str, object]]) -> str:
    """The title and a line "  name  value" for each fact; those that are None are left out."""
    lines = (f"  {name:<18} {value}" for name, value in facts if value is not None)
    return "\n".join([title, *lines])


def counts(found: Mapping[str, int]) -> str:
    """`3 equal, 0 longer` for {"equal": 3, "longer": 0}."""
    return ", ".join(f"{count} {what}" for what, count in found.items())
