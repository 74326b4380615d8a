"""What is on disk when a process dies at any moment: faults put in, stores that survive them, one that does not."""
