"""The settings of a site, and their one reader: ``raydrive.toml``, ``--with`` files, ``raydrive:`` in a sweep file."""
