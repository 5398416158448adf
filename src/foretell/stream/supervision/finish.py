"""The end of `--until-end`: what the topics held at the start has been forecast."""

from collections.abc import Callable, Sequence

from foretell.config import Settings
from foretell.stream.messages.blocks import Place
from foretell.stream.supervision.provision import ends, windowed_topic
from foretell.stream.supervision.slot import WorkerSlot
from foretell.stream.worker.worker import WorkerStatus


class Finish:
    """Knows when all has been read, in one stage or, with a repartition topic, in two.

    Attributes:
        ends: of the stage that workers read now, by partition; empty without `--until-end`.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._reached: set[Place] = set()
        self._stages = [windowed_topic(settings)] if settings.stream.repartition else []
        self.ends: dict[Place, int] = {}

    def begin(self, partitions: int, give_up: Callable[[], bool]) -> None:
        """Note what the input holds now."""
        self._partitions, self._give_up = partitions, give_up
        if self._settings.stream.until_end:
            self.ends = ends(self._settings, self._settings.stream.input_topic, partitions, give_up)

    def take(self, status: WorkerStatus) -> None:
        self._reached |= status.reached

    def reached(self, slots: Sequence[WorkerSlot]) -> bool:
        """Whether the last stage is done; sends the workers on to the next one."""
        if not self.ends or self.ends.keys() - self._reached:
            return False
        if not self._stages:
            return True
        self.ends = ends(self._settings, self._stages.pop(), self._partitions, self._give_up)
        for slot in slots:
            slot.send("read_until", self.ends)
        return False
