"""Measures: tensors in, numbers out; nothing here draws, trains or writes."""
