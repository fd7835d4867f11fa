"""A script that takes what its command line has, and nothing else."""

import argparse

parser = argparse.ArgumentParser()
parser.add_argument("--lr", type=float, default=0.1)
print(f"accuracy={parser.parse_args().lr}")
