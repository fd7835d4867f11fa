"""A Jupyter kernel on stdin and stdout: a line of JSON for each cell to run and for each message that comes back."""

from __future__ import annotations

import json
import sys
import threading
from queue import Empty
from typing import Any

from jupyter_client.manager import start_new_kernel

KEPT = ("stream", "display_data", "update_display_data", "execute_result", "error")


def main() -> None:
    """Serves until stdin ends."""
    manager, client = start_new_kernel(kernel_name="python3")
    lock, names, over = threading.Lock(), dict[str, str](), threading.Event()

    def say(message: dict[str, Any]) -> None:
        with lock:  # a cell's name is known before its first message is passed on
            asked = names.get(message["parent_header"].get("msg_id", ""), "")
            line = json.dumps({"id": asked, "type": message["msg_type"], "content": message["content"]}, default=str)
            sys.stdout.write(line + "\n")
            sys.stdout.flush()

    def listen() -> None:
        while not over.is_set():
            try:
                message = client.get_iopub_msg(timeout=0.2)
            except Empty:
                continue
            if message["msg_type"] in KEPT:
                say(message)
            elif message["msg_type"] == "status" and message["content"]["execution_state"] == "idle":
                with lock:
                    ours = message["parent_header"].get("msg_id", "") in names
                if ours:  # all that the cell shows has come: now its answer
                    say(client.get_shell_msg(timeout=10))

    listener = threading.Thread(target=listen)
    listener.start()
    try:
        for line in sys.stdin:
            request = json.loads(line)
            with lock:
                names[client.execute(request["code"])] = request["id"]
    finally:
        over.set()
        listener.join()
        client.stop_channels()
        manager.shutdown_kernel(now=True)


if __name__ == "__main__":
    main()
