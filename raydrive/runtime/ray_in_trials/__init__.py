"""Ray inside a trial: how it joins the run's cluster, its reservation, what its tasks log."""
