"""What comes from outside, in a thousand broken forms: our own error with a sentence, or a right result."""
