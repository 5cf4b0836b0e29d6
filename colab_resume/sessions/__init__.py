"""Sessions: the processes that worked on a run; their names, their records, what was lost between them."""
