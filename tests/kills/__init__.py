"""What is on disk when a process dies at any moment: faults put in, stores that are to survive them, one that is not."""
