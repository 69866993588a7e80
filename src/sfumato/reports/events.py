"""What TensorBoard shows: event files, by its own writer, without torch's layer over it, which is slow to load."""

import io
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from PIL import Image

from ..files import naming
from ..visible import visible


class Events:
    """Events of the run in `folder`. The file is begun with the first of them; where there are others, those from after
    `resumed` images are withdrawn."""

    def __init__(self, folder: Path, resumed: int = 0) -> None:
        self.folder, self.resumed = folder, resumed
        self.writer: Any = None

    def scalars(self, values: Mapping[str, float], step: int) -> None:
        self._write(step, [{"tag": visible(name), "simple_value": value} for name, value in values.items()])

    def picture(self, name: str, png: bytes, step: int) -> None:
        with Image.open(io.BytesIO(png)) as image:
            width, height = image.size
        shown = {"width": width, "height": height, "colorspace": 3, "encoded_image_string": png}
        self._write(step, [{"tag": visible(name), "image": shown}])

    def _write(self, step: int, values: list[dict[str, Any]]) -> None:
        from tensorboard.compat.proto.event_pb2 import Event, SessionLog  # pyright: ignore[reportAttributeAccessIssue]
        from tensorboard.compat.proto.summary_pb2 import Summary  # pyright: ignore[reportAttributeAccessIssue]
        from tensorboard.summary.writer.event_file_writer import EventFileWriter

        told = Summary(value=[Summary.Value(**value) for value in values])
        with naming(self.folder):
            if self.writer is None:
                goes_on = any(self.folder.glob("events.*"))
                self.writer = EventFileWriter(str(self.folder))
                if goes_on:
                    start = SessionLog(status=SessionLog.START)
                    self.writer.add_event(Event(wall_time=time.time(), step=self.resumed + 1, session_log=start))
            self.writer.add_event(Event(wall_time=time.time(), step=step, summary=told))

    def close(self) -> None:
        if self.writer is not None:
            with naming(self.folder):
                self.writer.close()
