"""From a catalogue line to a stored document: read, check, encode, load."""
