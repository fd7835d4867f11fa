"""The driver actor: the decision loop's mailbox, the pool of trial actors, compaction of the journal."""
