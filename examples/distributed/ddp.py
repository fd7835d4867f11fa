"""The same with torch's DistributedDataParallel over gloo; on GPUs take nccl and ``cuda:LOCAL_RANK``.

command: python ddp.py --lr ${{search_space.lr}}; or, with process_count_per_instance left out,
torchrun --nnodes $RAYDRIVE_NODE_COUNT --node-rank $NODE_RANK --master-addr $MASTER_ADDR --master-port $MASTER_PORT
--nproc-per-node 2 ddp.py --lr ${{search_space.lr}}
"""

import argparse
import os
import tempfile
import time

import torch
import torch.distributed as dist
from torch.nn.parallel import DistributedDataParallel

from raydrive import Run

parser = argparse.ArgumentParser()
parser.add_argument("--lr", type=float, default=0.1)
parser.add_argument("--steps", type=int, default=12)
parser.add_argument("--pause-s", type=float, default=0.0)
options = parser.parse_args()
torch.set_num_threads(1)
dist.init_process_group("gloo")
run, rank, size = Run.get_context(), dist.get_rank(), dist.get_world_size()
torch.manual_seed(0)
x, true = torch.randn(512, 16), torch.randn(16, 1)
y = x @ true + 0.1 * torch.randn(512, 1)
model = DistributedDataParallel(torch.nn.Sequential(torch.nn.Linear(16, 32), torch.nn.Tanh(), torch.nn.Linear(32, 1)))
optimizer = torch.optim.SGD(model.parameters(), lr=options.lr, momentum=0.9)
first = 0
if run.resume_from:
    saved = torch.load(os.path.join(run.resume_from, "model.pt"))
    model.load_state_dict(saved["model"])
    optimizer.load_state_dict(saved["optimizer"])
    first = saved["step"] + 1
for step in range(first, options.steps):
    optimizer.zero_grad()
    loss = torch.nn.functional.mse_loss(model(x[rank::size]), y[rank::size])
    loss.backward()
    optimizer.step()
    dist.all_reduce(loss)
    if rank == 0:
        run.log("loss", float(loss.detach()) / size, step=step)
        with tempfile.TemporaryDirectory() as folder:
            state = {"model": model.state_dict(), "optimizer": optimizer.state_dict(), "step": step}
            torch.save(state, os.path.join(folder, "model.pt"))
            run.save_checkpoint(folder)
    time.sleep(options.pause_s)
dist.destroy_process_group()
