"""Several replicas on each backend, in processes of their own.

Devices and process groups are set up before a framework starts, and a process that
waits for another in vain is to be ended.
"""

import contextlib
import json
import os
import pathlib
import socket
import subprocess
import sys

import pytest

pytestmark = pytest.mark.long

HERE = pathlib.Path(__file__).parent
LIMIT = 400  # Seconds; each takes less than 30 on a free machine.


def run(*processes):
    """Run scripts side by side: `(environment, script, arguments…)` each."""
    with contextlib.ExitStack() as stack:
        started = []
        for environment, script, *arguments in processes:
            process = subprocess.Popen(
                [sys.executable, HERE / script, *map(str, arguments)],
                env=os.environ | {"CUDA_VISIBLE_DEVICES": ""} | environment,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                text=True,
            )
            stack.callback(process.wait)
            stack.callback(process.kill)
            started.append(process)
        for process in started:
            _, errors = process.communicate(timeout=LIMIT)
            assert process.returncode == 0, errors


def free_ports(count):
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]


@pytest.mark.parametrize("script", ["mirrored.py", "mirrored_fit.py"])
def test_tensorflow_devices(script):
    pytest.importorskip("tensorflow")
    run(({}, script))


def test_tensorflow_workers():
    pytest.importorskip("tensorflow")
    cluster = {"worker": [f"127.0.0.1:{port}" for port in free_ports(2)]}
    tasks = [{"type": "worker", "index": rank} for rank in range(2)]
    configs = [json.dumps({"cluster": cluster, "task": task}) for task in tasks]
    run(*(({"TF_CONFIG": config}, "workers.py") for config in configs))


def test_jax_devices():
    pytest.importorskip("jax")
    run(({}, "jax_devices.py"))


def test_torch_processes(tmp_path):
    torch = pytest.importorskip("torch")
    if not torch.distributed.is_available():
        pytest.skip("PyTorch built without torch.distributed")
    # The name of the host may be that of no network interface.
    loopback = {"GLOO_SOCKET_IFNAME": "lo"} if sys.platform == "linux" else {}
    meeting = tmp_path / "meeting"
    run(*((loopback, "torch_process.py", rank, meeting) for rank in range(2)))
