"""Trains a photo encoder into a text encoder's space, on pairs of photo and text from a catalogue."""
