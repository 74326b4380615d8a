"""Measures: tensors in, numbers out. One file per room; nothing here draws, trains or writes."""
