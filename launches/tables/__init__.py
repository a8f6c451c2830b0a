"""What each program takes, as text that ``launches.words.table`` reads."""
