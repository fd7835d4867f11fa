"""``azureml.core.compute_target``."""


class ComputeTargetException(Exception):
    """Raised by Azure ML where there is no such target; never here, as every name is one."""


__all__ = ["ComputeTargetException"]
