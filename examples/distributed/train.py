"""Data-parallel training in plain Python: each process has its share of the samples, gradients are averaged.

    raydrive submit sweep.yml      four processes on two nodes (here: two reservations of one machine)

Frameworks do the averaging for you; they find each other by the same variables. See ddp.py for torch.
"""

import argparse
import os
import pickle
import socket
import time

import numpy as np

from raydrive import Run


def connect(rank, size):
    """Returns rank 0's connections to all others, and of each other one its connection to rank 0."""
    address = (os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"]))
    if rank == 0:
        server = socket.create_server(address)
        return [server.accept()[0].makefile("rwb") for _ in range(size - 1)]
    while True:
        try:
            return [socket.create_connection(address).makefile("rwb")]
        except ConnectionRefusedError:
            time.sleep(0.05)


def mean(value, peers, rank):
    """Returns the mean of a value over all processes, to each of them."""
    if rank == 0:
        value = (value + sum(pickle.load(peer) for peer in peers)) / (len(peers) + 1)
    for peer in peers:
        pickle.dump(value, peer)
        peer.flush()
    return value if rank == 0 else pickle.load(peers[0])


parser = argparse.ArgumentParser()
parser.add_argument("--lr", type=float, default=0.1)
run = Run.get_context()
lr, rank, size = parser.parse_args().lr, run.rank, run.world_size
peers = connect(rank, size) if size > 1 else []
rng = np.random.default_rng(0)
x, true = rng.normal(size=(400, 8)), rng.normal(size=8)
x, y = x[rank::size], (x @ true + 0.1 * rng.normal(size=400))[rank::size]
weights = np.zeros(8)
for step in range(20):
    error = x @ weights - y
    weights -= lr * mean(2 * x.T @ error / len(x), peers, rank)
    loss = mean(np.mean(error**2), peers, rank)
    if rank == 0:
        run.log("loss", float(loss), step=step)
print(f"rank {rank} of {size}: loss {loss:.5f}")
