"""Who runs the pipeline over the texts: this process, others of this machine, or Ray's actors."""
