"""The parts of the command line: its values, options, references, words and files."""
