"""What tests of processes start from."""

from process_bench import bench

__all__ = ["bench"]
