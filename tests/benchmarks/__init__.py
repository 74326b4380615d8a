"""Speed, as ratios to a limit or a peer measured in the same run; nothing here is asserted."""
