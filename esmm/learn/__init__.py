"""Learned fusion: from judgements or clicks to weights, proven against the keyword search."""
