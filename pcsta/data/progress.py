"""How a preparation gets on: how fast, what waits for what, and which samples were skipped why."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from time import perf_counter
from typing import Any, TypeVar

from tqdm.auto import tqdm

from pcsta.data.finder import by_reason, in_general

T = TypeVar("T")
EXAMPLES = 3  # named of each reason


class Progress:
    """A line that shows clips and crops a second, the time left, errors so far, and shares of waiting.

    Of the readers, the accelerator and the disk, the slowest is the one that is waited for most.
    """

    def __init__(self, name: str, clips: int, shown: bool) -> None:
        self.bar = tqdm(total=clips, unit="clip", desc=name, disable=not (shown and clips))
        self.shown, self.began = shown, perf_counter()
        self.crops = self.skipped = 0
        self.waited: dict[str, float] = defaultdict(float)  # seconds

    def say(self, lines: Iterable[str]) -> None:
        for line in lines if self.shown else ():
            self.bar.write(line)

    def wait(self, whom: str, function: Callable[..., T], *values: Any, **named: Any) -> T:
        """What a function returns, its time counted as waiting for `whom`."""
        began = perf_counter()
        try:
            return function(*values, **named)
        finally:
            self.waited[whom] += perf_counter() - began

    def wait_for_each(self, whom: str, items: Iterator[T]) -> Iterator[T]:
        """Items, the time until each counted as waiting for `whom`."""
        while (item := self.wait(whom, next, items, None)) is not None:
            yield item

    def update(self, crops: int, skipped: bool) -> None:
        """A clip is done."""
        self.crops += crops
        self.skipped += skipped
        self.bar.set_postfix_str(str(self), refresh=False)
        self.bar.update()

    def __str__(self) -> str:
        seconds = perf_counter() - self.began
        waits = (f"{whom} {100 * part / seconds:.0f}%" for whom, part in self.waited.items())
        rate = self.crops / seconds
        return f"{rate:.0f} crops/s, {self.skipped} skipped; waits: {', '.join(waits)}"


def reasons(skipped: Mapping[str, str]) -> list[str]:
    """A line for each reason why samples (name -> reason) were skipped, with some names."""
    alike = by_reason((in_general(why, name), name) for name, why in skipped.items())
    return [
        f"{len(names):>6}  {reason} ({', '.join(names[:EXAMPLES])}{', …' * (len(names) > EXAMPLES)})"
        for reason, names in alike.items()
    ]
