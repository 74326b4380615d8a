"""How exact partitions are found; what callers use of it is in ``sslens.measures.regions``."""
