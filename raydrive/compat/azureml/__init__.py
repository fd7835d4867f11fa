"""Azure ML's SDK v1, as far as HyperDrive's users need it: ``from raydrive.compat.azureml.core import ...``.

Signatures are those of the SDK. Storage, cluster, resources of a trial and what names of data stand for come from the
nearest ``raydrive.toml``. What has no meaning on a cluster of one's own raises ``NotHereError`` with a sentence that
says what to do instead. azureml itself is not needed.
"""

import sys

from raydrive.compat.azureml._names import Finder

if Finder not in sys.meta_path:
    sys.meta_path.append(Finder)
